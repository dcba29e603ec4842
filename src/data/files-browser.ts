// The browser's side of "#files": image sets by URL, by default beside the page.
import { WgradError } from "../base/errors.ts";
import type { ImageSetName, Place } from "./files.ts";

/** The folder named like the set, beside the page (or the worker's script). */
export function defaultPlace(name: ImageSetName): Place | undefined {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  return base === undefined ? undefined : { kind: "url", location: new URL(`${name}/`, base).href };
}

/** Returns the advice that makes the set readable from a page. */
export function advice(name: ImageSetName): string {
  const call = name === "mnist" ? "mnist" : "fashionMnist";
  return `Serve the four IDX files (gzip-compressed with the ending .gz, or as they are) and give their folder: ${call}({ url }).`;
}

/** A page reads no folders. */
export function readFolderFile(folder: string, _name: string): Promise<Uint8Array | undefined> {
  return Promise.reject(
    new WgradError(`a page cannot read the folder ${folder}. Serve the files and give their address with { url }.`),
  );
}
