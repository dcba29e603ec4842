// How TypeScript of this repository becomes JavaScript that Node runs: shared by the runner of programs and by the tests.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * Gives programs and tests that import modules of src/ by their paths the methods of Tensor, too. Modules of src/ itself must not import them: they
 * would be evaluated in a circle, in an order that differs from run to run.
 */
export const installMethods = {
  name: "install-methods",
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      if (path.startsWith(join(ROOT, "src/")) || path.includes("node_modules")) return undefined;
      const source = readFileSync(path, "utf8");
      // In front of the first line, so that line numbers stay.
      return { contents: `import ${JSON.stringify(join(ROOT, "src/methods.ts"))}; ${source}`, loader: "ts" };
    });
  },
};

/** esbuild's options for code that runs in Node from this repository; `wgrad` means its source, packages stay outside. */
export const NODE_OPTIONS = {
  absWorkingDir: ROOT,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  packages: "external",
  plugins: [installMethods],
  alias: { wgrad: join(ROOT, "src/index.ts"), "wgrad/node": join(ROOT, "src/node.ts") },
  outExtension: { ".js": ".mjs" },
  sourcemap: "linked",
  logLevel: "warning",
};
