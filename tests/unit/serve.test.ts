// The server of the demo and of the tests' pages: no request ends it, and none gets what lies outside its folders.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { HostRandom } from "../../src/data/random.ts";
import { type Server, serve } from "../support/browser.ts";

const tests = suite("serve", { folder: "", server: null as Server | null });
tests.before(async (context) => {
  context.folder = mkdtempSync(join(tmpdir(), "wgrad-serve-"));
  mkdirSync(join(context.folder, "site/sub"), { recursive: true });
  mkdirSync(join(context.folder, "data"));
  writeFileSync(join(context.folder, "secret.txt"), "secret");
  writeFileSync(join(context.folder, "site/index.html"), "home");
  writeFileSync(join(context.folder, "site/a b.js"), "script");
  writeFileSync(join(context.folder, "data/x.json"), "{}");
  context.server = await serve({ "/": join(context.folder, "site"), "/data/": join(context.folder, "data") });
});
tests.after(({ folder, server }) => {
  server?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Status and text of the answer to a path, which is sent as it is. */
function ask(origin: string, path: string, method = "GET"): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(origin);
    const asked = request({ hostname, port, path, method, agent: false }, (response) => {
      let text = `${response.statusCode} `;
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      response.on("end", () => resolve(text));
    });
    asked.on("error", reject).end();
  });
}

/** Sends bytes that need not be HTTP, and hangs up. */
function send(origin: string, text: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(origin).port), "localhost", () => socket.end(text, "latin1"));
    socket.on("error", () => undefined).on("close", () => resolve());
    socket.resume();
  });
}

tests("files, folders and what is not there", async ({ server }) => {
  const { origin } = server as Server;
  assert.is(await ask(origin, "/"), "200 home");
  assert.is(await ask(origin, "/a%20b.js?v=1"), "200 script");
  assert.is(await ask(origin, "/a%20b.js", "HEAD"), "200 ");
  assert.is(await ask(origin, "/data/x.json"), "200 {}");
  for (const path of ["/none", "/sub", "/sub/", "/a%20b.js/x", "/data/", "/../secret.txt", "/data/../../secret.txt"])
    assert.match(await ask(origin, path), /^404 /, path);
});

tests("no request ends it", async ({ server }) => {
  const { origin } = server as Server;
  const paths = [
    "/%",
    "//",
    "/%00",
    "///",
    "//a:b",
    "/%ff",
    "/%E0%A4%A",
    "/..%2f..%2fsecret.txt",
    "/..%5c..%5csecret.txt",
    "http://[",
    "*",
  ];
  for (const path of [...paths, `/${"a".repeat(5000)}`]) assert.match(await ask(origin, path), /^404 /, path);
  const random = new HostRandom(3);
  const signs = [
    "%",
    "/",
    ".",
    "..",
    "\\",
    "?",
    "#",
    "%00",
    "%2f",
    "%2e",
    "%5c",
    ":",
    "@",
    "[",
    "data",
    "secret.txt",
    "a",
  ];
  for (let i = 0; i < 200; i++) {
    let path = "/";
    for (let n = random.below(8); n >= 0; n--) path += signs[random.below(signs.length)];
    assert.not.match(await ask(origin, path), /secret$/, path);
  }
  for (const text of [
    "",
    "\0\0",
    "GET",
    "GET / HTTP/9\r\n\r\n",
    "GET / HTTP/1.1\r\nbad\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  ])
    await send(origin, text);
  assert.is(await ask(origin, "/"), "200 home");
});

tests.run();
