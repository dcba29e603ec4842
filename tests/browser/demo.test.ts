// The page that learns digits: trained, paused, drawn on, saved, reloaded, and its device lost.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

const problem = (page: Page): Promise<string | null> => page.textContent("#problem");

/** Runs a test with the page of an address, in which nothing may go wrong but what is expected. */
async function withDemo(query: string, run: (page: Page) => Promise<void>, expected?: RegExp): Promise<void> {
  const server = await openDemo(folder);
  const browser = await launchChromium();
  try {
    const { page, errors } = await openPage(browser);
    await page.goto(`${server.origin}/${query}#debug`);
    await run(page);
    assert.equal(
      errors.filter((error) => expected?.test(error) !== true),
      [],
    );
  } finally {
    await browser.close();
    server.close();
  }
}

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

    // Lost while nothing runs: the next order has a new device, and the same weights.
    await page.click("#lose");
    assert.is(await draw(page, SEVEN), seven);
    await page.click("#lose");
    await page.click("#start");
    await inState(page, "running");
    await page.waitForFunction(() => /Training on/.test(document.querySelector("#status")?.textContent ?? ""));
    await page.click("#lose");
    await page.waitForSelector("#problem:not([hidden])");
    assert.is(
      await problem(page),
      "The graphics device was lost. Press Start to go on with the weights that were loaded.",
    );
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

check("paused while the digits load it waits, and Start after Reset begins again", async () => {
  await withDemo("?images=1000&epochs=100&batch=50", async (page) => {
    let arrive = (): void => undefined;
    const arrival = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    await page.route("**/mnist/**", async (route) => {
      await arrival;
      await route.continue();
    });
    await page.click("#start");
    await inState(page, "running");
    await page.click("#pause");
    await inState(page, "paused");
    arrive();
    await page.waitForTimeout(2000);
    assert.is(await page.evaluate(() => document.body.dataset.state), "paused");
    await page.click("#start");
    await page.waitForFunction(() => Number(document.body.dataset.accuracy) > 0, undefined, { timeout: 60_000 });

    // Both in one task, in the middle of a training.
    await page.evaluate(() => {
      document.querySelector<HTMLButtonElement>("#reset")?.click();
      const start = document.querySelector<HTMLButtonElement>("#start");
      if (start === null) return;
      start.disabled = false;
      start.click();
    });
    await page.waitForFunction(() => document.body.dataset.accuracy === "");
    await page.waitForFunction(() => Number(document.body.dataset.accuracy) > 0, undefined, { timeout: 60_000 });
    assert.is(await page.evaluate(() => document.body.dataset.state), "running");
    assert.is(await page.isVisible("#problem"), false);
  });
});

check("a device that is lost while it tests is told once", async () => {
  // A hundred images to learn from and ten thousand to test with: it tests nearly all the time.
  await withDemo("?images=100&epochs=500&batch=100", async (page) => {
    for (let i = 0; i < 3; i++) {
      await page.click("#start");
      await page.waitForFunction(() => Number(document.body.dataset.accuracy) > 0, undefined, { timeout: 60_000 });
      await page.waitForTimeout(100 * i);
      await page.click("#lose");
      await inState(page, "paused");
      assert.match(
        (await problem(page)) ?? "",
        /^The graphics device was lost. Press Start to go on with .* after epoch \d/,
      );
    }
  });
});

check("weights that are no numbers are refused, and others start a training anew", async () => {
  await withDemo("?images=500&epochs=1&batch=50", async (page) => {
    const download = page.waitForEvent("download");
    await page.click("#save");
    const good = join(folder, "good.safetensors");
    await (await download).saveAs(good);
    const bytes = readFileSync(good);
    bytes.writeFloatLE(Number.NaN, bytes.length - 4);
    const bad = join(folder, "bad.safetensors");
    writeFileSync(bad, bytes);

    await page.setInputFiles("#load", bad);
    await page.waitForSelector("#problem:not([hidden])");
    assert.match((await problem(page)) ?? "", /^These weights can't be used: fc\d\.\w+ has values that are NaN/);
    await page.setInputFiles("#load", good);
    await page.waitForFunction(() => /loaded/.test(document.querySelector("#status")?.textContent ?? ""));
    assert.is(await page.isVisible("#problem"), false);

    const trained = async (): Promise<string | undefined> => {
      await page.setInputFiles("#load", good);
      await page.click("#start");
      await inState(page, "finished");
      return page.evaluate(() => document.body.dataset.accuracy);
    };
    await page.click("#reset");
    const first = await trained();
    assert.ok(Number(first) > 0.1);
    await page.evaluate(() => {
      document.body.dataset.state = "";
    });
    // Adam's moments are gone: dropout's noise is all that differs.
    const second = await trained();
    assert.ok(Math.abs(Number(second) - Number(first)) < 0.1, `${first} and ${second}`);
  });
});

check("a click draws a dot", async () => {
  await withDemo("", async (page) => {
    await page.click("#canvas");
    await page.waitForFunction(() => document.querySelector("#answer")?.textContent !== "–", undefined, {
      timeout: 60_000,
    });
  });
});

check("an address that asks for no training says so", async () => {
  for (const query of ["?images=0", "?images=abc", "?epochs=0", "?batch=1.5"]) {
    await withDemo(query, async (page) => {
      await page.click("#start");
      await page.waitForSelector("#problem:not([hidden])");
      assert.match((await problem(page)) ?? "", /a whole number of at least 1 as (images|epochs|batch), not "/);
      assert.is(await page.evaluate(() => document.body.dataset.state), "paused");
    });
  }
});

check("without its worker's file it says so", async () => {
  const missing = async (page: Page): Promise<void> => {
    await page.route("**/worker.js*", (route) => route.fulfill({ status: 404 }));
    await page.reload();
    await page.waitForSelector("#problem:not([hidden])");
    assert.match((await problem(page)) ?? "", /its file, worker.js, could not be loaded/);
    assert.is(await page.isDisabled("#start"), true);
  };
  await withDemo("", missing, /404/);
});

demo.run();
