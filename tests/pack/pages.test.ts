// The package as web developers meet it: packed, unpacked into a project, and run in Chromium from a script tag, esbuild, Vite and a Worker.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import type { Browser } from "playwright-core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { build as viteBuild } from "vite";
import { findChromium, launchChromium, openPage, serve } from "../support/browser.ts";

const pages = suite("pages with the package");
const check = findChromium() === null ? pages.skip : pages;
const folder = mkdtempSync(join(tmpdir(), "wgrad-pages-"));
const installed = join(folder, "node_modules/wgrad");
let browser: Browser | null = null;

pages.after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Trains y = 2x with what `imports` brings and leaves the prediction for 10 where `leave` puts it. */
const training = (imports: string, leave: string, square: string): string => `${imports}
manualSeed(1);
const x = tensor([[-1], [0], [1], [2]]);
const y = tensor([[-2], [0], [2], [4]]);
const model = new Linear(1, 1);
const optimizer = new SGD(model.parameters(), { lr: 0.1 });
for (let i = 0; i < 100; i++) {
  optimizer.zeroGrad();
  const error = sub(model.forward(x), y);
  ${square}.backward();
  optimizer.step();
}
const value = await model.forward(tensor([[10]])).item();
${leave};
`;
const named = (from: string): string =>
  `import { manualSeed, nn, optim, sub, tensor } from "${from}";\nconst { Linear } = nn;\nconst { SGD } = optim;`;
const small = `import { manualSeed, mean, square, sub, tensor } from "wgrad/core";
import { Linear } from "wgrad/nn";
import { SGD } from "wgrad/optim";`;
const inPage = "globalThis.prediction = value";
const inWorker = "postMessage(value)";
const methods = "error.square().mean()";

const html = (script: string): string =>
  `<!doctype html><link rel="icon" href="data:,"><script type="module" src="${script}"></script>`;

/** A project's files in a folder of their own. */
function project(name: string, files: Readonly<Record<string, string>>): string {
  const root = join(folder, name);
  mkdirSync(root);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(root, file), text);
  return root;
}

/** What a page of a folder predicts for 10. */
async function predict(root: string, name: string): Promise<number> {
  const server = await serve({ "/": root, "/wgrad/": installed });
  browser ??= await launchChromium();
  const { page, errors } = await openPage(browser);
  try {
    await page.goto(`${server.origin}/${name}`);
    const found = await page.waitForFunction(() => (globalThis as { prediction?: number }).prediction);
    const value = await found.jsonValue();
    assert.equal(errors, []);
    return value ?? Number.NaN;
  } finally {
    await page.close();
    server.close();
  }
}

async function expectTwenty(root: string, name = "index.html"): Promise<void> {
  const value = await predict(root, name);
  assert.ok(Math.abs(value - 20) <= 0.2, `prediction ${value}`);
}

/** Small pages, each of which gets tensors from another door, and calls their methods. */
const doors: Readonly<Record<string, string>> = {
  core: `import { square, sum, tensor } from "wgrad/core";
const x = tensor([3, 7], { requiresGrad: true });
sum(square(x)).backward();
const value = (await x.grad.data()).reduce((a, b) => a + b);`,
  namespace: `import * as wg from "wgrad/core";
const value = await wg.tensor([20]).item();`,
  nn: `import { Linear } from "wgrad/nn";
const layer = new Linear(1, 20);
layer.weight.requiresGrad = false;
const value = (await layer.weight.data()).length;`,
  io: `import { fromSafetensors } from "wgrad/io";
const header = new TextEncoder().encode('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}');
const { a } = fromSafetensors(Uint8Array.from([header.length, 0, 0, 0, 0, 0, 0, 0, ...header, 20]));
const value = await a.item();`,
  data: `import { DataLoader } from "wgrad/data";
const samples = { length: 1, get: () => 20 };
let value;
for await (const batch of new DataLoader(samples, { batchSize: 1 })) value = await batch.item();`,
  amp: `import { GradScaler } from "wgrad/amp";
import { tensor } from "wgrad/core";
const value = await new GradScaler({ initScale: 4 }).scale(tensor(5)).item();`,
};

async function bundled(root: string): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: [join(root, "main.js")],
    outfile: join(root, "bundle.js"),
    bundle: true,
    format: "esm",
    target: "es2022",
    minify: true,
    logLevel: "silent",
  });
}

check("it can be packed", () => {
  execFileSync("npm", ["pack", "--ignore-scripts", "--loglevel=error", "--pack-destination", folder], {
    cwd: resolve("."),
    shell: process.platform === "win32",
  });
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "";
  mkdirSync(installed, { recursive: true });
  execFileSync("tar", ["-xzf", join(folder, tarball), "--strip-components=1", "-C", installed]);
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
});

for (const file of ["wgrad.js", "wgrad.min.js"]) {
  check(`a script tag with dist/${file}, from a server of files`, async () => {
    const text = training(named(`/wgrad/dist/${file}`), inPage, methods);
    await expectTwenty(project(file, { "index.html": html("main.js"), "main.js": text }));
  });
}

check("a Worker with dist/wgrad.js", async () => {
  const main = `new Worker("worker.js", { type: "module" }).onmessage = (event) => { globalThis.prediction = event.data; };`;
  const worker = training(named("/wgrad/dist/wgrad.js"), inWorker, methods);
  await expectTwenty(project("worker", { "index.html": html("main.js"), "main.js": main, "worker.js": worker }));
});

check("esbuild, everything and the small doors", async () => {
  for (const [name, text] of [
    ["esbuild", training(named("wgrad"), inPage, methods)],
    ["esbuild-core", training(small, inPage, "mean(square(error))")],
  ] as const) {
    const root = project(name, { "index.html": html("bundle.js"), "main.js": text });
    await bundled(root);
    await expectTwenty(root);
  }
});

check("esbuild and Vite, a page that has its tensors from one door alone", async () => {
  for (const [door, text] of Object.entries(doors)) {
    const main = `${text}\n${inPage};`;
    const root = project(`door-${door}`, { "bundle.html": html("bundle.js"), "main.js": main });
    await bundled(root);
    await expectTwenty(root, "bundle.html");
    writeFileSync(join(root, "index.html"), html("/main.js"));
    await viteBuild({ root, configFile: false, logLevel: "silent", build: { target: "es2022" } });
    await expectTwenty(join(root, "dist"));
  }
});

check("Vite, with a Worker", async () => {
  const main = `const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
worker.onmessage = (event) => { globalThis.prediction = event.data; };`;
  const worker = training(named("wgrad"), inWorker, methods);
  const root = project("vite", { "index.html": html("/main.js"), "main.js": main, "worker.js": worker });
  await viteBuild({
    root,
    configFile: false,
    logLevel: "silent",
    build: { target: "es2022" },
    worker: { format: "es" },
  });
  await expectTwenty(join(root, "dist"));
});

pages.run();
