// What happens to a page: it is frozen and hidden, its workers end in mid-step, it has several engines and a device of its own.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import type { Browser, Page } from "playwright-core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findChromium, launchChromium, openPage, type Server, serve } from "../support/browser.ts";

/** What robust-page.ts puts into the page. */
interface Globals {
  train(steps: number, between?: (step: number) => unknown): Promise<number[]>;
  share(steps: number): Promise<{ losses: number[]; own: number[][]; lost: boolean; afterwards: number[] }>;
  terminate(times: number): Promise<void>;
  steps: number;
  result: Promise<number[]>;
}
declare const window: Globals;

const robust = suite("robust in a page");
const check = findChromium() === null ? robust.skip : robust;
const folder = mkdtempSync(join(tmpdir(), "wgrad-robust-"));
robust.after(() => rmSync(folder, { recursive: true, force: true }));

async function open(run: (page: Page, browser: Browser) => Promise<void>): Promise<void> {
  let server: Server | null = null;
  const browser = await launchChromium();
  try {
    await build({
      entryPoints: [resolve("tests/browser/robust-page.ts")],
      bundle: true,
      format: "esm",
      platform: "browser",
      target: "es2022",
      outdir: folder,
      logLevel: "silent",
    });
    const script = '<script type="module" src="robust-page.js"></script>';
    writeFileSync(join(folder, "index.html"), `<!doctype html><link rel="icon" href="data:,">${script}`);
    server = await serve({ "/": folder });
    const { page, errors } = await openPage(browser);
    await page.goto(server.origin);
    await run(page, browser);
    assert.equal(errors, []);
  } finally {
    await browser.close();
    server?.close();
  }
}

check("frozen, hidden, several engines, ended workers: the numbers stay the same", async () => {
  await open(async (page, browser) => {
    const expected = await page.evaluate(() => window.train(60));
    assert.ok(expected.every(Number.isFinite) && (expected[59] ?? 9) < (expected[0] ?? 0));

    // Another tab in front, and this one frozen for a second in the middle of a training.
    await page.evaluate(() => {
      window.steps = 0;
      window.result = window.train(60, () => {
        window.steps++;
      });
    });
    await page.waitForFunction(() => window.steps > 5);
    const other = await browser.newPage();
    await other.bringToFront();
    const protocol = await page.context().newCDPSession(page);
    await protocol.send("Page.setWebLifecycleState", { state: "frozen" });
    await other.waitForTimeout(1000);
    await protocol.send("Page.setWebLifecycleState", { state: "active" });
    await page.bringToFront();
    assert.equal(await page.evaluate(() => window.result), expected, "after being frozen");
    await other.close();

    const both = await page.evaluate(async () => {
      // The same file under two names is two engines, each with a device of its own.
      const [first, second] = ["./robust-page.js?1", "./robust-page.js?2"];
      const engines = [await import(first), await import(second)] as Globals[];
      return Promise.all(engines.map((engine) => engine.train(60)));
    });
    assert.equal(both, [expected, expected], "two engines at the same time");

    await page.evaluate(() => window.terminate(3));
    assert.equal(await page.evaluate(() => window.train(60)), expected, "after workers ended in mid-step");
  });
});

check("a device is shared with the page's own code, and stays the page's", async () => {
  await open(async (page) => {
    const { losses, own, lost, afterwards } = await page.evaluate(() => window.share(20));
    const alone = await page.evaluate(() => window.train(20));
    losses.forEach((loss, i) => {
      const expected = alone[i] ?? Number.NaN;
      assert.ok(Math.abs(loss - expected) <= 1e-4 * expected, `loss ${i}: ${loss}, on a device of its own ${expected}`);
    });
    assert.equal(
      own,
      losses.map((_, i) => [2 * i, 2]),
    );
    assert.equal([lost, afterwards], [false, [42]]);
  });
});

robust.run();
