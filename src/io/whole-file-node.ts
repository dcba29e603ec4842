// Writing a file whole or not at all (Node).
import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readdir, readlink, realpath, rename, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join, resolve } from "node:path";

/**
 * Writes beside the file first, to the disk, and then renames: whoever reads `path` finds the old bytes or the new ones,
 * even after a crash. Missing folders are made. A link is followed, the permissions of a file that was there stay, and what saves of processes
 * that have been killed have left beside it goes.
 */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const target = await followed(path);
  const folder = dirname(target);
  await removeLeftovers(target);
  const mode = (await statOf(target))?.mode;
  const temporary = `${target}.${machine()}-${process.pid}-${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, "wx");
    try {
      // Given to open(), it would lose what the process's umask takes.
      if (mode !== undefined) await file.chmod(mode & 0o7777);
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

/** Which machine writes: another one's process numbers mean nothing here. */
function machine(): string {
  return createHash("sha256").update(hostname()).digest("hex").slice(0, 8);
}

const temporaryName = /^([0-9a-f]{8})-(\d+)-[0-9a-f-]{36}\.tmp$/;
/** No save takes so long, in ms. */
const LONG_AGO = 24 * 3600 * 1000;

/** Where a path leads, also one whose last link leads to no file yet. */
async function followed(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
  const folder = await realpath(dirname(path));
  const place = join(folder, basename(path));
  const link = await readlink(place).catch(() => null);
  if (link === null) return place;
  const next = resolve(folder, link);
  await mkdir(dirname(next), { recursive: true });
  return followed(next);
}

/** Removes what processes that are no more have begun to write for `path`. */
async function removeLeftovers(path: string): Promise<void> {
  const folder = dirname(path);
  const before = `${basename(path)}.`;
  for (const name of await readdir(folder)) {
    const match = name.startsWith(before) ? temporaryName.exec(name.slice(before.length)) : null;
    if (match === null) continue;
    const leftover = join(folder, name);
    const { mtimeMs = Number.POSITIVE_INFINITY } = (await statOf(leftover)) ?? {};
    const [, writer, number] = match;
    if (Date.now() - mtimeMs > LONG_AGO || (writer === machine() && isGone(Number(number), mtimeMs)))
      await rm(leftover, { force: true });
  }
}

/** Whether the process of this number that wrote at the time `at` has ended. */
function isGone(pid: number, at: number): boolean {
  // Containers give the same numbers again.
  if (pid === process.pid) return at < Date.now() - 1000 * process.uptime();
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return codeOf(error) === "ESRCH";
  }
}

async function statOf(path: string): Promise<{ mode: number; mtimeMs: number } | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** The rename itself is on the disk once the folder is; Windows neither needs nor allows that. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
