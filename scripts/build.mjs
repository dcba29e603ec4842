// Builds dist/: one file for pages without a bundler, modules for bundlers and for Node, and the type declarations; checks their sizes.

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, posix, relative } from "node:path";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";
import { minify } from "vite";
import { ROOT } from "./bundle.mjs";
import { documentConstructors } from "./constructor-docs.mjs";
import { lean, leanSource } from "./lean.mjs";

const DIST = join(ROOT, "dist");
const { version, imports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const BANNER = `/* wgrad ${version}, MIT License */`;

const TARGET = "es2022";

/** The doors of the package, as package.json's exports name them. */
const DOORS = {
  index: "src/index.ts",
  amp: "src/amp.ts",
  core: "src/core.ts",
  nn: "src/nn/index.ts",
  optim: "src/optim/index.ts",
  data: "src/data/index.ts",
  metrics: "src/metrics/index.ts",
  io: "src/io/index.ts",
};

const common = {
  absWorkingDir: ROOT,
  bundle: true,
  format: "esm",
  sourcemap: "linked",
  banner: { js: BANNER },
  metafile: true,
  logLevel: "warning",
  plugins: [lean],
};

/** Pages, and their sizes in kB after a bundler, a minifier and gzip: what they should have, and what fails the build. */
const LIMITS = {
  "all of wgrad": { goal: 90, limit: 186, page: 'export * from "wgrad";' },
  "tensors, autograd and nn.Linear": {
    goal: 45,
    limit: 55,
    page: 'export { tensor, grad } from "wgrad/core"; export { Linear } from "wgrad/nn";',
  },
};

rmSync(DIST, { recursive: true, force: true });
try {
  const builds = await Promise.all([
    build({ ...common, platform: "browser", target: TARGET, entryPoints: ["src/index.ts"], outfile: "dist/wgrad.js" }),
    build({
      ...common,
      // Shared chunks: all doors are to have the same classes and the same device.
      splitting: true,
      chunkNames: "chunks/[name]-[hash]",
      platform: "node",
      target: "node20",
      packages: "external",
      entryPoints: { ...DOORS, node: "src/node.ts" },
      outdir: "dist/node",
    }),
  ]);
  checkSelfContained(builds[0].metafile);
  await writeModules(builds[0].metafile);
  await shorten("wgrad.js", "wgrad.min.js");
  declareTypes();
  printSizes();
  await checkSizes();
} catch (error) {
  rmSync(DIST, { recursive: true, force: true });
  // esbuild prints its own.
  if (error.errors === undefined) console.error(`build: ${error.message}`);
  process.exit(1);
}

/** For bundlers: the source files one by one, so that they drop those that a page does not use. */
async function writeModules({ inputs }) {
  const files = new Set([...Object.keys(inputs), ...Object.values(DOORS)]);
  for (const file of files) {
    const { code } = await transform(leanSource(join(ROOT, file)), { loader: "ts", format: "esm", target: TARGET });
    const to = (path) => path.replace(/^(\.\/)?src\//, "").replace(/\.ts$/, ".js");
    const folder = posix.dirname(to(file));
    const resolved = code.replaceAll(/(\bfrom |^import )"([^"]+)"/gm, (_, before, path) => {
      if (!path.startsWith("#")) return `${before}"${path.replace(/\.ts$/, ".js")}"`;
      const target = posix.relative(folder, to(imports[path].default));
      return `${before}"${target.startsWith(".") ? target : `./${target}`}"`;
    });
    const place = join(DIST, "browser", to(file));
    mkdirSync(dirname(place), { recursive: true });
    writeFileSync(place, resolved);
  }
}

/** Minifies a file of dist/, with a map to the sources. */
async function shorten(from, to) {
  const { code, map, errors } = await minify(to, readFileSync(join(DIST, from), "utf8"), {
    sourcemap: true,
    inputMap: JSON.parse(readFileSync(join(DIST, `${from}.map`), "utf8")),
  });
  if (errors.length > 0) throw new Error(`${from} can't be minified: ${errors[0].message}`);
  writeFileSync(join(DIST, to), `${BANNER}\n${code}\n//# sourceMappingURL=${to}.map\n`);
  // A line of the map ends with ";": this one is the banner's.
  writeFileSync(join(DIST, `${to}.map`), JSON.stringify({ ...map, mappings: `;${map.mappings}` }));
}

/** Bundles pages as their authors would, and compares with the limits. */
async function checkSizes() {
  for (const [name, { goal, limit, page }] of Object.entries(LIMITS)) {
    const { outputFiles } = await build({
      stdin: { contents: page, resolveDir: ROOT },
      bundle: true,
      format: "esm",
      platform: "browser",
      write: false,
      logLevel: "warning",
    });
    const { code } = await minify("page.js", outputFiles[0].text, {});
    const kilobytes = gzipSync(code, { level: 9 }).length / 1000;
    console.log(
      `${`a page with ${name}`.padEnd(46)}${kilobytes.toFixed(1).padStart(6)} kB gzip (goal ${goal}, at most ${limit})`,
    );
    if (kilobytes > limit) throw new Error(`a page with ${name} takes ${kilobytes.toFixed(1)} kB, over ${limit}`);
  }
}

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
  const entries = [...Object.values(DOORS), "src/node.ts"].map((door) => door.replace(/^src\/(.*)\.ts$/, "$1.d.ts"));
  rmSync(documentConstructors(join(DIST, "types"), entries));
}

function printSizes() {
  const types = filesIn(join(DIST, "types")).length;
  const modules = filesIn(join(DIST, "browser")).length;
  const files = filesIn(DIST).filter((file) => file.endsWith(".js") && !file.startsWith(join(DIST, "browser")));
  const kB = (bytes) => `${(bytes / 1000).toFixed(1)} kB`.padStart(10);
  for (const file of files.sort()) {
    const bytes = readFileSync(file);
    console.log(`${relative(ROOT, file).padEnd(36)}${kB(bytes.length)}${kB(gzipSync(bytes).length)} gzip`);
  }
  console.log(`dist/browser: ${modules} modules`);
  console.log(`dist/types: ${types} declaration files`);
}

function filesIn(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}
