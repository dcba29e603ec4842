// What tests of pages share: a Chromium where there is one, pages that note what went wrong in them, and the demo's server.

import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";

export interface Server {
  readonly origin: string;
  close(): void;
}

interface ChromiumScript {
  findChromium(): string | null;
  launchChromium(options?: { flags?: readonly string[] }): Promise<Browser>;
  serve(folders: Readonly<Record<string, string>>): Promise<Server>;
}

interface DemoScript {
  openDemo(folder: string): Promise<Server>;
}

// The set-up uses these before there are packages, so they aren't TypeScript.
const load = async (path: string): Promise<unknown> => import(pathToFileURL(resolve(path)).href);
const chromium = (await load("scripts/chromium.mjs")) as ChromiumScript;
const demo = (await load("scripts/demo.mjs")) as DemoScript;

export const findChromium: ChromiumScript["findChromium"] = chromium.findChromium;
export const launchChromium: ChromiumScript["launchChromium"] = chromium.launchChromium;
export const serve: ChromiumScript["serve"] = chromium.serve;
export const openDemo: DemoScript["openDemo"] = demo.openDemo;

/** A new page, and the errors of its console and scripts as they come up. */
export async function openPage(browser: Browser): Promise<{ page: Page; errors: string[] }> {
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  page.on("pageerror", (error) => errors.push(String(error)));
  return { page, errors };
}
