// Node's side of "#tuning": measured schedules in a file of the user's cache folder.
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

/** `WGRAD_CACHE`, or the platform's folder for caches. */
function folder(): string {
  const { WGRAD_CACHE, XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  if (WGRAD_CACHE !== undefined && WGRAD_CACHE !== "") return WGRAD_CACHE;
  if (process.platform === "win32") return join(LOCALAPPDATA ?? join(homedir(), "AppData", "Local"), "wgrad");
  if (process.platform === "darwin") return join(homedir(), "Library", "Caches", "wgrad");
  return join(XDG_CACHE_HOME ?? join(homedir(), ".cache"), "wgrad");
}

function fileOf(key: string): string {
  return join(folder(), `${key.replaceAll(/[^\w.-]+/g, "_")}.json`);
}

/** The text kept under `key`; undefined where there is none, or it cannot be read. */
export async function readTuning(key: string): Promise<string | undefined> {
  try {
    return await readFile(fileOf(key), "utf8");
  } catch {
    return undefined;
  }
}

/** Keeps the text, whole or not at all; false where the folder cannot be written. */
export async function writeTuning(key: string, text: string): Promise<boolean> {
  const file = fileOf(key);
  const draft = `${file}.${process.pid}`;
  try {
    await mkdir(folder(), { recursive: true });
    await writeFile(draft, text);
    await rename(draft, file);
    return true;
  } catch {
    return false;
  }
}
