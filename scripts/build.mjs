// Builds dist/: the browser's one file, Node's modules, and the type declarations; prints their sizes.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { ROOT } from "./bundle.mjs";

const DIST = join(ROOT, "dist");
const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

const common = {
  absWorkingDir: ROOT,
  bundle: true,
  format: "esm",
  sourcemap: "linked",
  banner: { js: `/* wgrad ${version}, MIT License */` },
  // Error and layer classes say their names.
  keepNames: true,
  metafile: true,
  logLevel: "warning",
};
const browser = { ...common, platform: "browser", target: "es2022", entryPoints: [join(ROOT, "src/index.ts")] };

rmSync(DIST, { recursive: true, force: true });
try {
  const builds = await Promise.all([
    build({ ...browser, outfile: "dist/wgrad.js" }),
    build({ ...browser, outfile: "dist/wgrad.min.js", minify: true }),
    build({
      ...common,
      platform: "node",
      target: "node20",
      packages: "external",
      // Shared chunks: "wgrad" and "wgrad/node" are to have the same classes and the same device.
      splitting: true,
      entryPoints: { "index.node": join(ROOT, "src/index.ts"), node: join(ROOT, "src/node.ts") },
      chunkNames: "chunks/[name]-[hash]",
      outdir: "dist",
    }),
  ]);
  checkSelfContained(builds[0].metafile);
  declareTypes();
} catch (error) {
  rmSync(DIST, { recursive: true, force: true });
  // esbuild prints its own.
  if (error.errors === undefined) console.error(`build: ${error.message}`);
  process.exit(1);
}
printSizes();

/** The browser's file must need nothing else. */
function checkSelfContained({ outputs }) {
  const imports = Object.values(outputs).flatMap((o) => o.imports.map((i) => i.path));
  if (imports.length > 0) throw new Error(`dist/wgrad.js imports ${imports.join(", ")}; a page has no such thing.`);
}

function declareTypes() {
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const result = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: ROOT, encoding: "utf8" });
  if (result.status !== 0) throw new Error(`the type declarations have errors:\n${result.stdout}${result.stderr}`);
  // tsc leaves the endings of declarations' imports alone; ".js" is what every version and setting of it resolves.
  const specifier = /((?:from|import|import\(|module)\s*")(\.[^"]*?)(?:\.d)?\.ts"/g;
  for (const file of filesIn(join(DIST, "types"))) {
    const text = readFileSync(file, "utf8").replaceAll(specifier, '$1$2.js"');
    const inner = /(?:from|import|import\()\s*"(#[^"]+)"/.exec(text);
    if (inner) throw new Error(`${relative(ROOT, file)} refers to "${inner[1]}", which a user doesn't have.`);
    // `using` is newer than what users set as their target.
    const lib = text.includes("[Symbol.dispose]") ? '/// <reference lib="esnext.disposable" />\n' : "";
    writeFileSync(file, lib + text);
  }
}

function printSizes() {
  const types = filesIn(join(DIST, "types")).length;
  const files = filesIn(DIST).filter((file) => file.endsWith(".js"));
  const kB = (bytes) => `${(bytes / 1000).toFixed(1)} kB`.padStart(10);
  for (const file of files.sort()) {
    const bytes = readFileSync(file);
    console.log(`${relative(ROOT, file).padEnd(36)}${kB(bytes.length)}${kB(gzipSync(bytes).length)} gzip`);
  }
  console.log(`dist/types: ${types} declaration files`);
}

function filesIn(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}
