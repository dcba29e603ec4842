// Safetensors files (Node).
import { readFile } from "node:fs/promises";
import type { Tensor } from "../tensor.ts";
import { encodeSafetensors, fromSafetensors, type SafetensorsOptions } from "./safetensors.ts";
import { writeWhole } from "./whole-file-node.ts";

/** Writes tensors to a safetensors file, whole or not at all. See `toSafetensors`. */
export async function saveSafetensors(
  path: string,
  stateDict: Readonly<Record<string, Tensor>>,
  options: SafetensorsOptions = {},
): Promise<void> {
  await writeWhole(path, await encodeSafetensors("saveSafetensors", stateDict, options));
}

/** Reads the tensors of a safetensors file; see `fromSafetensors`. */
export async function loadSafetensors(path: string): Promise<Record<string, Tensor>> {
  return fromSafetensors(await readFile(path));
}
