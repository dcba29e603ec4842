// Runs one bundled test file in a worker and posts what uvu writes, piece by piece.

const post = (kind, text) => postMessage({ kind, text });

// uvu takes console.log as it is when it is loaded, and writes without line ends of its own.
console.log = (...parts) => post("output", parts.join(" "));
console.warn = (...parts) => post("output", `${parts.join(" ")}\n`);
console.error = console.warn;
addEventListener("unhandledrejection", ({ reason }) => post("problem", String(reason?.stack ?? reason)));

try {
  await import(new URL(location.href).searchParams.get("file"));
  post("loaded", "");
} catch (error) {
  post("problem", String(error?.stack ?? error));
}
