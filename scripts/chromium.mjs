// A real Chromium for tests and reports: where it is, the flags that give it WebGPU without a GPU, and a server for its pages.

import { spawnSync } from "node:child_process";
import { accessSync, constants, createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { delimiter, extname, join, posix } from "node:path";
import { pipeline } from "node:stream";

/** WebGPU on SwiftShader, and no traffic of the browser's own. */
const FLAGS = [
  "--no-sandbox",
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"];
const PLACES = {
  darwin: [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
  ],
  win32: ["C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe"],
};

/** The path of an installed Chromium or Chrome: the one in $CHROMIUM, else the first one found, Playwright's last; null where there is none. */
export function findChromium() {
  const given = process.env.CHROMIUM;
  if (given !== undefined && given !== "") return isProgram(given) ? given : null;
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  const candidates = [
    ...folders.flatMap((folder) => NAMES.map((name) => join(folder, name))),
    ...(PLACES[process.platform] ?? []),
  ];
  return candidates.find(isProgram) ?? playwrightsOwn();
}

/** The Chromium that Playwright has downloaded, if it starts: it comes without the libraries that it needs of the system. */
function playwrightsOwn() {
  try {
    const path = createRequire(import.meta.url)("playwright-core").chromium.executablePath();
    return isProgram(path) && spawnSync(path, ["--version"], { stdio: "ignore" }).status === 0 ? path : null;
  } catch {
    // No packages yet, or none for this machine.
    return null;
  }
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * Starts Chromium without a window.
 * @param options `path`: which one (default: the one found); `flags`: more of Chromium's own flags
 * @returns playwright's Browser
 */
export async function launchChromium({ path = findChromium(), flags = [] } = {}) {
  if (path === null) throw new Error("there is no Chromium on this machine; $CHROMIUM may name one");
  const { chromium } = await import("playwright-core");
  return chromium.launch({ executablePath: path, args: [...FLAGS, ...flags] });
}

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
};

/**
 * Serves folders on localhost, where pages may use WebGPU.
 * @param folders from a path's beginning to a folder (`{ "/data/": "tests/data" }`); the longest beginning that fits wins
 * @param options `port` (default: a free one)
 * @returns `{ origin, close() }`
 */
export async function serve(folders, { port = 0 } = {}) {
  const server = createServer((request, response) => {
    const file = fileAt(request.url ?? "/", folders);
    if (file === null) {
      response.writeHead(404, { "content-type": "text/plain" }).end("there is no such file\n");
      return;
    }
    response.writeHead(200, {
      "content-type": TYPES[extname(file.path)] ?? "application/octet-stream",
      "content-length": file.size,
      "cache-control": "no-store",
    });
    if (request.method === "HEAD") response.end();
    // A file that cannot be read after all, or a page that is gone, ends the answer alone.
    else pipeline(createReadStream(file.path), response, () => undefined);
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "localhost", resolve);
  });
  return {
    origin: `http://localhost:${server.address().port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** The file that an address means, with its size; null where there is none, or the address is none. */
function fileAt(url, folders) {
  try {
    const path = posix.normalize(decodeURIComponent(new URL(url, "http://localhost").pathname));
    const [beginning] = Object.keys(folders)
      .filter((start) => path.startsWith(start))
      .sort((a, b) => b.length - a.length);
    // Windows would take a backslash for a way out of the folder.
    if (beginning === undefined || path.includes("\\")) return null;
    let file = join(folders[beginning], path.slice(beginning.length));
    if (statSync(file).isDirectory()) file = join(file, "index.html");
    const stats = statSync(file);
    return stats.isFile() ? { path: file, size: stats.size } : null;
  } catch {
    return null;
  }
}
