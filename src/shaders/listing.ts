// A kernel's text with comments in front that say what it computes and what its bindings are.

import { formatShape } from "../base/shape.ts";
import type { Kernel, Value } from "../graph/definition.ts";

/** The name of a buffer leaf by its number, where it has one: a parameter's path in its module. */
export type LeafNames = (index: number) => string | null;

/** What a kernel binds under a name. */
export interface BindingReport {
  /** Its name in the shader. */
  readonly name: string;
  /** What lies there: a parameter's path or the ops that computed it, with dtype and shape. */
  readonly content: string;
  /** How the binding is declared. */
  readonly access: "read" | "read_write";
}

export function bindingReports({ bindings }: Kernel, leafName: LeafNames): BindingReport[] {
  return bindings.map(({ name, value, access }) => ({ name, access, content: describe(value, leafName) }));
}

/** Names stand in comments, and not in the text that is compiled: equal kernels share one pipeline. */
export function listingOf({ name, wgsl }: Kernel, bindings: readonly BindingReport[]): string {
  const title = `// ${name}\n`;
  return [title, ...bindings.map((b) => `// ${b.name}: ${b.content}\n`), wgsl.replace(title, "")].join("");
}

function describe(value: Value, leafName: LeafNames): string {
  const { leaf, asked, definition, dtype, shape } = value;
  const name = leaf !== null ? leafName(leaf.index) : (asked ?? definition.name);
  return `${name === null ? "" : `${name} `}${dtype}${formatShape(shape).replaceAll(" ", "")}`;
}
