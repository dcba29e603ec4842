// The page that learns digits: trained, paused, drawn on, saved, reloaded, and its device lost.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findChromium, launchChromium, openDemo, openPage } from "../support/browser.ts";

const demo = suite("the page that learns digits");
const check = findChromium() === null ? demo.skip : demo;
const folder = mkdtempSync(join(tmpdir(), "wgrad-demo-"));
demo.after(() => rmSync(folder, { recursive: true, force: true }));

/** Draws with the mouse along points of a 1 × 1 square and returns what the page reads. */
async function draw(page: Page, points: readonly (readonly [x: number, y: number])[]): Promise<string> {
  await page.click("#clear");
  const box = await page.locator("#canvas").boundingBox();
  if (box === null) throw new Error("there is no canvas");
  const at = ([x, y]: readonly [number, number]): [number, number] => [box.x + x * box.width, box.y + y * box.height];
  const [first = [0, 0], ...rest] = points;
  await page.mouse.move(...at(first));
  await page.mouse.down();
  for (const point of rest) await page.mouse.move(...at(point), { steps: 3 });
  await page.mouse.up();
  await page.waitForFunction(() => document.querySelector("#answer")?.textContent !== "–", undefined, {
    timeout: 60_000,
  });
  // Answers come while the mouse moves: the last one counts.
  await page.waitForTimeout(500);
  return probabilities(page);
}

const probabilities = (page: Page): Promise<string> =>
  page.evaluate(() => {
    const meters = Array.from(document.querySelectorAll("meter"), (meter) => meter.value.toFixed(5));
    return `${document.querySelector("#answer")?.textContent}: ${meters.join(" ")}`;
  });

const inState = (page: Page, state: string): Promise<unknown> =>
  page.waitForFunction((wanted) => document.body.dataset.state === wanted, state, { timeout: 300_000 });

const SEVEN = [
  [0.25, 0.25],
  [0.5, 0.25],
  [0.75, 0.25],
  [0.62, 0.45],
  [0.52, 0.62],
  [0.45, 0.82],
] as const;
const RING = Array.from({ length: 25 }, (_, i) => {
  const angle = (2 * Math.PI * i) / 24;
  return [0.5 + 0.2 * Math.sin(angle), 0.5 - 0.3 * Math.cos(angle)] as const;
});

check("trains to 95 %, reads drawn digits, keeps its weights over a reload, and outlives its device", async () => {
  const server = await openDemo(folder);
  const browser = await launchChromium();
  try {
    const { page, errors } = await openPage(browser);
    const address = `${server.origin}/?images=10000&epochs=10&batch=50#debug`;
    await page.goto(address);
    await page.click("#start");
    await page.waitForFunction(() => document.body.dataset.accuracy !== undefined, undefined, { timeout: 300_000 });
    await page.click("#pause");
    await inState(page, "paused");
    await page.click("#start");
    await page.waitForFunction(() => Number(document.body.dataset.accuracy) >= 0.95, undefined, { timeout: 500_000 });
    await page.click("#pause");

    const seven = await draw(page, SEVEN);
    const ring = await draw(page, RING);
    assert.match(seven, /^7:/);
    assert.match(ring, /^0:/);

    const download = page.waitForEvent("download");
    await page.click("#save");
    const weights = join(folder, "weights.safetensors");
    await (await download).saveAs(weights);

    await page.reload();
    await page.setInputFiles("#load", weights);
    await page.waitForFunction(() => /loaded/.test(document.querySelector("#status")?.textContent ?? ""));
    assert.is(await draw(page, SEVEN), seven);
    assert.is(await draw(page, RING), ring);

    await page.click("#lose");
    await page.click("#start");
    await page.waitForSelector("#problem:not([hidden])");
    assert.match((await page.textContent("#problem")) ?? "", /the device was .*Press start to go on with the weights/);
    assert.is(await draw(page, SEVEN), seven);
    await page.click("#start");
    await inState(page, "running");
    assert.is(await page.isVisible("#problem"), false);
    await page.waitForFunction(() => Number(document.body.dataset.accuracy) >= 0.9, undefined, { timeout: 300_000 });
    await page.click("#reset");
    await inState(page, "idle");
    assert.equal(errors, []);
  } finally {
    await browser.close();
    server.close();
  }
});

check("without WebGPU it says what to do, and goes on", async () => {
  const server = await openDemo(folder);
  const browser = await launchChromium();
  try {
    const { page, errors } = await openPage(browser);
    await page.route("**/worker.js*", async (route) => {
      const response = await route.fetch();
      const without = "Object.defineProperty(navigator, 'gpu', { value: undefined });";
      await route.fulfill({ response, body: `${without}\n${await response.text()}` });
    });
    await page.goto(`${server.origin}/?images=100&epochs=1`);
    await page.click("#start");
    await page.waitForSelector("#problem:not([hidden])");
    assert.match((await page.textContent("#problem")) ?? "", /has no WebGPU.*Use a browser that has it: Chrome/);
    assert.is(await page.isEnabled("#start"), true);
    assert.equal(errors, []);
  } finally {
    await browser.close();
    server.close();
  }
});

demo.run();
