// The file with what has been measured: each section as it was measured last.
import { readFileSync, writeFileSync } from "node:fs";
import type { JavaScriptTimes } from "./javascript.ts";
import type { KernelTimes } from "./kernel-times.ts";
import type { Machine, RowReport } from "./report.ts";
import type { ScalingCurve } from "./scaling.ts";

export interface Results {
  readonly compare?: {
    readonly machine: Machine;
    readonly adapter: string | null;
    readonly rows: readonly RowReport[];
  };
  readonly kernels?: { readonly machine: Machine; readonly rows: readonly KernelResult[] };
  readonly javascript?: { readonly machine: Machine; readonly rows: readonly JavaScriptResult[] };
  readonly scaling?: { readonly machine: Machine; readonly curves: readonly ScalingCurve[] };
}

export interface KernelResult extends KernelTimes {
  readonly name: string;
  readonly title: string;
}

export interface JavaScriptResult extends JavaScriptTimes {
  readonly name: string;
  readonly title: string;
}

/** What the file holds; nothing where there is none. */
export function readResults(file: string): Results {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Results;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return {};
    throw error;
  }
}

/** Puts new sections in the place of old ones. */
export function keepResults(file: string, sections: Results): void {
  writeFileSync(file, `${JSON.stringify({ ...readResults(file), ...sections }, null, 2)}\n`);
}
