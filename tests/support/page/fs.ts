// What the test files use of node:fs, in a worker: files of the repository, from the server that the page came from.

/** Reads a file by its path in the repository. */
export function readFileSync(path: string, encoding?: "utf8"): string | Uint8Array {
  const request = new XMLHttpRequest();
  request.open("GET", `/${path}`, false);
  request.responseType = "arraybuffer";
  request.send();
  if (request.status !== 200) throw new Error(`${path}: the server answers ${request.status}`);
  const bytes = new Uint8Array(request.response as ArrayBuffer);
  return encoding === undefined ? bytes : new TextDecoder(encoding).decode(bytes);
}
