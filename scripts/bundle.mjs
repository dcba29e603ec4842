// How TypeScript of this repository becomes JavaScript that Node runs: shared by the runner of programs and by the tests.

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** esbuild's options for code that runs in Node from this repository; `wgrad` means its source, packages stay outside. */
export const NODE_OPTIONS = {
  absWorkingDir: ROOT,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  packages: "external",
  // Tests that import modules of src/ by their paths get the methods of Tensor, too.
  inject: [join(ROOT, "src/methods.ts")],
  alias: { wgrad: join(ROOT, "src/index.ts"), "wgrad/node": join(ROOT, "src/node.ts") },
  outExtension: { ".js": ".mjs" },
  sourcemap: "linked",
  logLevel: "warning",
};
