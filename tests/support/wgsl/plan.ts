// Runs a plan on the host: its kernels' texts through the interpreter of WGSL, over memory laid out as the plan says.

import { bytesOf, decode } from "../../../src/base/dtype.ts";
import { sizeOf } from "../../../src/base/shape.ts";
import { numberIn } from "../../../src/engine/engine.ts";
import { scalarBlock } from "../../../src/engine/plan-cache.ts";
import type { Capture, Request } from "../../../src/graph/program.ts";
import type { Storage } from "../../../src/graph/storage.ts";
import type { Place } from "../../../src/runtime/executable.ts";
import type { Plan } from "../../../src/schedule/plan.ts";
import type { Dice } from "../random-program.ts";
import { runDispatch } from "./dispatch.ts";

export interface RunOptions {
  readonly subgroupSize: number;
  readonly mixed: boolean;
}

/** What all requests of a capture get from a plan, in their order. Throws what `runDispatch` throws, with the kernel's name. */
export function runPlan(plan: Plan, captured: Capture, dice: Dice, options: RunOptions): ArrayLike<number>[] {
  const storages = new Map<unknown, Uint8Array>();
  const leaves = captured.buffers.map(({ storage, offset }) => {
    let bytes = storages.get(storage);
    if (bytes === undefined) {
      bytes = rubbish(Math.ceil(storage.byteLength / 16) * 16, dice);
      if (storage.host !== null) {
        const { buffer, byteOffset, byteLength } = storage.host;
        bytes.set(new Uint8Array(buffer, byteOffset, byteLength));
      } else if (storage.blank) bytes.fill(0);
      storages.set(storage, bytes);
    }
    return bytes.subarray(offset);
  });
  const workspace = rubbish(plan.workspace, dice);
  const outputs = plan.outputs.map((bytes) => rubbish(Math.max(bytes, 0), dice));
  const bytesAt = (place: Place): Uint8Array => {
    if (place.kind === "workspace") return workspace.subarray(place.offset);
    return (place.kind === "leaf" ? leaves : outputs)[place.index] as Uint8Array;
  };
  const scalars = scalarBlock(
    plan,
    captured,
    captured.scalars.map(({ storage, dtype }) => numberIn(storage as Storage, dtype)),
  );
  for (const { kernel, bindings, scalarOffset } of plan.steps) {
    try {
      runDispatch(
        {
          wgsl: kernel.wgsl,
          workgroups: kernel.workgroups,
          bindings: bindings.map(({ place, offset, bytes, access }) => ({
            bytes: bytesAt(place).subarray(offset, offset + bytes),
            access,
          })),
          uniform: scalarOffset < 0 || scalars === null ? null : new Uint8Array(scalars, scalarOffset),
          ...options,
        },
        dice,
      );
    } catch (error) {
      if (error instanceof Error) error.message = `"${kernel.name}": ${error.message}\n${kernel.wgsl}`;
      throw error;
    }
  }
  for (const { from, to, bytes } of plan.copies) bytesAt(to).set(bytesAt(from).subarray(0, bytes));
  return captured.requests.map(({ node }: Request, i) => {
    const destination = captured.destinations[i];
    const bytes = destination?.kind === "slot" ? leaves[destination.index] : outputs[i];
    const count = sizeOf(node.shape);
    const own = (bytes as Uint8Array).slice(0, count * bytesOf(node.dtype));
    return decode(own.buffer, node.dtype, count);
  });
}

/** Bytes that nobody has written: what reads them anyway computes nonsense. */
function rubbish(bytes: number, dice: Dice): Uint8Array {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  for (let i = 0; i < words.length; i++) words[i] = dice.next() * 2 ** 32;
  return new Uint8Array(words.buffer, 0, bytes);
}
