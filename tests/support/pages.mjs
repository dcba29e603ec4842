// Runs test files in a browser: the same files as in Node, bundled for pages, each in a Worker of a page of its own.

import { readFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { basename, join } from "node:path";
import { build } from "esbuild";
import { installMethods, ROOT } from "../../scripts/bundle.mjs";
import { serve } from "../../scripts/chromium.mjs";

const PAGE = join(ROOT, "tests/support/page");

/** Test files with a GPU that need Node, and what for. */
const NODE_ONLY = {
  "gpu/checkpoint-fields.test.ts": "saves files",
  "gpu/ending.test.ts": "starts programs",
  "gpu/fit-checkpoint.test.ts": "saves files",
  "gpu/tune-kept.test.ts": "saves files",
  "train/mnist-cli.test.ts": "starts a program",
};

/** Whether a test file is one for pages, too: those that use the GPU. */
export function isForPages(file) {
  return /^(gpu|train)\//.test(file);
}

/** What a test file needs Node for; undefined where it runs in pages. */
export function needsNode(file) {
  return NODE_ONLY[file];
}

/** Files are asked for by their path in the repository; other modules of Node's are errors. */
const files = {
  name: "files",
  setup({ onResolve }) {
    onResolve({ filter: /^node:/ }, ({ path, importer }) =>
      path === "node:fs"
        ? { path: join(PAGE, "fs.ts") }
        : {
            errors: [
              {
                text: `${basename(importer)} imports ${path}, which a page does not have: split the file, or name it in NODE_ONLY of tests/support/pages.mjs`,
              },
            ],
          },
    );
  },
};

/** Bundles test files into `folder`; returns the errors of those that could not be, by file. */
export async function bundleForPages(names, folder) {
  const tests = join(ROOT, "tests");
  const options = {
    absWorkingDir: ROOT,
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    outbase: tests,
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    sourcemap: "linked",
    logLevel: "silent",
    plugins: [files, installMethods],
  };
  const problems = new Map();
  await Promise.all(
    names.map((name) =>
      build({ ...options, entryPoints: [join(tests, name)] }).catch((error) => problems.set(name, error.message)),
    ),
  );
  return problems;
}

/**
 * Opens a server for the bundles in `folder`.
 * @param browser playwright's or puppeteer's Browser, which `close` closes as well
 */
export async function openPages(browser, folder) {
  const server = await serve({
    "/": PAGE,
    "/bundles/": folder,
    "/tests/reference/data/": join(ROOT, "tests/reference/data"),
  });
  return {
    /** Runs a bundle to its end or the time limit; `{ output, problem }`. */
    async run(name, seconds) {
      const page = await browser.newPage();
      try {
        await page.goto(server.origin);
        const { output, problem } = await page.evaluate(
          ([file, limit]) => globalThis.runFile(file, limit),
          [`/bundles/${name}`, seconds],
        );
        const map = mapped(folder, name);
        return { output: map(output), problem: problem === null ? null : map(problem) };
      } catch (error) {
        return { output: "", problem: `the page is gone: ${error.message}` };
      } finally {
        await page.close().catch(() => undefined);
      }
    },
    async close() {
      await browser.close();
      server.close();
    },
  };
}

/** Replaces places in a bundle by those in the source files. */
function mapped(folder, name) {
  let map = null;
  return (text) =>
    text.replaceAll(/http:\/\/localhost:\d+\/bundles\/(\S+?):(\d+):(\d+)/g, (place, file, line, column) => {
      if (file !== name) return place;
      map ??= new SourceMap(JSON.parse(readFileSync(join(folder, `${name}.map`), "utf8")));
      const entry = map.findEntry(Number(line) - 1, Number(column) - 1);
      if (entry.originalSource === undefined) return place;
      const source = entry.originalSource.replace(/^(\.\.\/)+/, "");
      return `${source}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
    });
}
