// What README says of commands and defaults is so.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readOptions, usage } from "../../examples/mnist-mlp/options.ts";

const readme = readFileSync("README.md", "utf8");
const pages = `${readme}\n${readFileSync("CONTRIBUTING.md", "utf8")}`;

/** The anchors that GitHub gives the headings of a page. */
function anchorsOf(file: string): Set<string> {
  const headings = [...readFileSync(file, "utf8").matchAll(/^#+ (.*)$/gm)].map(([, text = ""]) => text.toLowerCase());
  return new Set(headings.map((text) => text.replaceAll(/[^\w\- ]/g, "").replaceAll(" ", "-")));
}

test("npm test -- WORD names files, npm run NAME is a script", () => {
  const files = readdirSync("tests", { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".test.ts"));
  const words = [...pages.matchAll(/npm test -- ([a-z]\w*)/g)].map((match) => match[1] as string);
  assert.ok(words.length > 0);
  for (const word of words)
    assert.ok(
      files.some((file) => file.includes(word)),
      word,
    );
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> };
  const names = [...pages.matchAll(/npm run ([\w:]+)/g)].map((match) => match[1] as string);
  assert.ok(names.length > 5);
  for (const name of names) assert.ok(name in scripts, name);
});

test("README counts the ops as docs/ops.md does", () => {
  const counted = /: (\d+) ops\./.exec(readFileSync("docs/ops.md", "utf8"))?.[1];
  assert.is(/\[(\d+) ops\]/.exec(readme)?.[1], counted);
});

test("links of README, CONTRIBUTING and docs lead to files and headings that are there", () => {
  const files = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", ...readdirSync("docs").map((name) => `docs/${name}`)];
  const broken: string[] = [];
  for (const page of files.filter((name) => name.endsWith(".md"))) {
    const text = readFileSync(page, "utf8").replaceAll(/^```[\s\S]*?^```/gm, "");
    for (const [link, target = "", anchor] of text.matchAll(/\]\(([^)#:]*)(?:#([^)]*))?\)/g)) {
      const file = target === "" ? page : join(dirname(page), target);
      if (!existsSync(file) || (anchor !== undefined && !anchorsOf(file).has(anchor))) broken.push(`${page}: ${link}`);
    }
  }
  assert.equal(broken, []);
});

test("files that docs/architecture.md and CONTRIBUTING.md name are there", () => {
  const text = `${readFileSync("docs/architecture.md", "utf8")}${readFileSync("CONTRIBUTING.md", "utf8")}`;
  const named = [...text.matchAll(/`([\w-]+(?:\/[\w-]+)*\.(?:ts|mjs|py))`/g)].map(([, name = ""]) => name);
  assert.ok(named.length > 20);
  const folders = ["", "src/", "tests/support/", "tests/reference/", "tests/unit/"];
  assert.equal(
    named.filter((name) => !folders.some((folder) => existsSync(`${folder}${name}`))),
    [],
  );
});

test("the example's defaults are those that README gives a result for", () => {
  const [, epochs, seed] = /With the defaults \((\d+) epochs, seed (\d+)\)/.exec(readme) ?? [];
  const options = readOptions([]);
  assert.equal([options?.epochs, options?.seed], [Number(epochs), Number(seed)]);
  assert.match(usage, new RegExp(`--epochs N .*\\(default ${epochs}\\)`));
  assert.match(usage, new RegExp(`--seed N .*\\(default ${seed}\\)`));
});

test.run();
