// Where a page has no storage, or something else in its place, tune finds nothing kept and goes on.

import { resolve } from "node:path";
import { build } from "esbuild";
import type { Page } from "playwright-core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findChromium, launchChromium, openPage, serve } from "../support/browser.ts";

declare const store: typeof import("../../src/inspect/tuning-store-browser.ts");

const stores = suite("the store of measured schedules");
const check = findChromium() === null ? stores.skip : stores;

/** Runs a test in an empty page, with the store's script. */
async function inPage(run: (page: Page, script: string) => Promise<void>): Promise<void> {
  const { outputFiles } = await build({
    entryPoints: [resolve("src/inspect/tuning-store-browser.ts")],
    bundle: true,
    format: "iife",
    globalName: "store",
    write: false,
  });
  const script = outputFiles[0]?.text ?? "";
  const server = await serve({ "/": resolve("examples/mnist-page") });
  const browser = await launchChromium();
  try {
    const { page, errors } = await openPage(browser);
    await page.route("**/*", (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html>" }));
    await page.goto(server.origin);
    await page.addScriptTag({ content: script });
    await run(page, script);
    assert.equal(errors, []);
  } finally {
    await browser.close();
    server.close();
  }
}

check("what is kept comes back, and other versions of the database are none", async () => {
  await inPage(async (page) => {
    const found = await page.evaluate(async () => {
      const kept = [await store.writeTuning("a", "[1]"), await store.readTuning("a"), await store.readTuning("b")];
      await new Promise((resolve) => {
        indexedDB.open("wgrad", 2).onsuccess = (event) => resolve((event.target as IDBOpenDBRequest).result.close());
      });
      return [...kept, await store.writeTuning("a", "[2]"), await store.readTuning("a")];
    });
    assert.equal(found, [true, "[1]", undefined, false, undefined]);
  });
});

check("a database of that name without the store is none", async () => {
  await inPage(async (page) => {
    const found = await page.evaluate(async () => {
      await new Promise((resolve) => {
        indexedDB.open("wgrad", 1).onsuccess = (event) => resolve((event.target as IDBOpenDBRequest).result.close());
      });
      return [await store.readTuning("a"), await store.writeTuning("a", "[1]")];
    });
    assert.equal(found, [undefined, false]);
  });
});

check("a frame that may keep nothing has none", async () => {
  await inPage(async (page, script) => {
    const found = await page.evaluate((text) => {
      const frame = document.createElement("iframe");
      frame.sandbox.add("allow-scripts");
      frame.srcdoc = `<script>${text}
        const answer = (found) => parent.postMessage(found, "*");
        Promise.all([store.readTuning("a"), store.writeTuning("a", "[1]")]).then(answer, (error) => answer(String(error)));
      </script>`;
      return new Promise((resolve) => {
        addEventListener("message", ({ data }) => resolve(data), { once: true });
        document.body.append(frame);
      });
    }, script);
    assert.equal(found, [undefined, false]);
  });
});

stores.run();
