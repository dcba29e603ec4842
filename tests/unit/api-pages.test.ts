// docs/api and the interfaces of Tensor's methods say what the source says; every exported name has a docstring.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { apiPages, undocumented } from "../../scripts/api-pages.ts";
import { ApiReader } from "../../scripts/api-reader.ts";
import { INTERFACES, methodTypes } from "../../scripts/method-types.ts";
import { Tensor } from "../../src/index.ts";

const reader = new ApiReader();
const pages = apiPages(reader);

test.after(() => reader.close());

function sameLines(path: string, text: string): void {
  const written = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [];
  const missing = text.split("\n").filter((line) => !written.includes(line));
  assert.equal(missing, [], `npm run docs would write these lines to ${path}`);
  assert.is(written.join("\n"), text, `npm run docs would write ${path} anew`);
}

test("docs/api is what npm run docs writes, and nothing else", () => {
  for (const [path, text] of pages) sameLines(path, text);
  const files = readdirSync("docs/api").map((name) => `docs/api/${name}`);
  assert.equal(
    files.filter((file) => !pages.has(file)),
    [],
  );
});

test("the interfaces of Tensor's methods are what npm run docs writes", () => {
  for (const one of INTERFACES) sameLines(one.to, methodTypes(reader, one));
});

test("the interfaces name just the methods that Tensor has", () => {
  const written = INTERFACES.flatMap(({ to, name }) => reader.read(to).find((entry) => entry.name === name)?.members);
  const names = new Set(written.map((member) => member?.name ?? ""));
  assert.ok(names.size > 200);
  const own = Object.getOwnPropertyDescriptors(Tensor.prototype);
  // Installed methods can be replaced; what the class itself defines is written in the class.
  const source = readFileSync("src/graph/tensor.ts", "utf8");
  // What consoles print of a tensor (graph/print.ts) is every object's, so TypeScript knows it.
  const known = new Set(["constructor", "toString", "toJSON"]);
  const installed = Object.keys(own).filter((name) => !known.has(name) && !source.includes(`  ${name}(`));
  const getters = new Set(Object.keys(own).filter((name) => own[name]?.get !== undefined));
  assert.equal(
    installed.filter((name) => !getters.has(name) && !names.has(name)),
    [],
  );
  assert.equal(
    [...names].filter((name) => typeof own[name]?.value !== "function"),
    [],
  );
});

test("every exported name has a docstring", () => {
  assert.equal(undocumented(reader), []);
});

test("links between the pages lead somewhere", () => {
  const slug = (heading: string): string =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, "")
      .replaceAll(" ", "-");
  const anchors = new Map<string, Set<string>>();
  for (const [path, text] of pages) {
    const seen = new Map<string, number>();
    const all = new Set<string>();
    for (const [, heading = ""] of text.matchAll(/^#+ (.*)$/gm)) {
      const count = seen.get(slug(heading)) ?? 0;
      seen.set(slug(heading), count + 1);
      all.add(count === 0 ? slug(heading) : `${slug(heading)}-${count}`);
    }
    anchors.set(path.replace("docs/api/", ""), all);
  }
  const broken: string[] = [];
  for (const [path, text] of pages) {
    const own = path.replace("docs/api/", "");
    for (const [link, file = "", anchor] of text.matchAll(/\]\(([\w.]*)#([^)]+)\)/g)) {
      if (!anchors.get(file === "" ? own : file)?.has(anchor ?? "")) broken.push(`${path}: ${link}`);
    }
  }
  assert.equal(broken, []);
});

test.run();
