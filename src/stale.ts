// What is said of an old value that memory has no room for.

import type { Job } from "./engine.ts";
import { OutOfMemoryError, StaleTensorError } from "./errors.ts";
import type { Node } from "./graph/node.ts";
import { formatShape } from "./shape.ts";

/** What to say where memory is too short for a run that reads an old value: it has left the device, and this is why it can't come back. */
export function explainJob(error: unknown, { captured: { buffers, nodes }, advances }: Job): unknown {
  const own = new Set(advances.map(({ before }) => before));
  const old = buffers.find(
    ({ storage, node }) => node !== null && storage.cell && storage.cell.storage !== storage && !own.has(storage),
  );
  const node = old?.node;
  if (!(error instanceof OutOfMemoryError) || !node) return error;
  const line = nodes.find(({ source, inputs }) => source !== null && inputs.includes(node))?.source;
  return staleError(error, node, line && `It is read by what was recorded at ${line}. `);
}

/** The same for a value that is read itself, at a line of the program. */
export function explainRead(error: unknown, node: Node, line: string | null): unknown {
  return error instanceof OutOfMemoryError ? staleError(error, node, line && `It is read at ${line}. `) : error;
}

/** The error of an old value; `reader` is a sentence about who reads it. */
function staleError(
  error: OutOfMemoryError,
  { shape, leaf, storage, offset }: Node,
  reader?: string | null,
): StaleTensorError {
  const { cell = null, overwrittenAt = null } = storage ?? {};
  const { shared = null } = cell ?? {};
  const label = leaf?.label ?? shared?.tensors[shared.offsets.indexOf(offset)]?.label ?? cell?.label;
  return new StaleTensorError(
    `the old value of ${label ? `"${label}"` : "a tensor"} of shape ${formatShape(shape)} was overwritten by a step or an assignment` +
      `${overwrittenAt ? ` at ${overwrittenAt}` : ""}, and memoryLimit leaves no room for it: ${error.message} ` +
      `${reader ?? ""}Read it before the step, or set a higher memoryLimit.`,
    { shapes: [shape] },
  );
}
