// Runs a dispatch: workgroups, subgroups and invocations in an order by chance, each until it has to wait for others.

import { fromHalfBits } from "../../../src/base/dtype.ts";
import type { Dice } from "../random-program.ts";
import { type Now, WatchedMemory, type Words } from "./memory.ts";
import { type CompiledModule, compileModule, workgroupNumbers } from "./module.ts";
import type { Scalar } from "./types.ts";
import { runTogether } from "./workgroup.ts";

/** Bytes of a buffer that a binding shows. */
export interface BoundRange {
  readonly bytes: Uint8Array;
  readonly access: "read" | "read_write";
}

export interface Dispatch {
  readonly wgsl: string;
  readonly workgroups: readonly [number, number, number];
  /** By their numbers. */
  readonly bindings: readonly BoundRange[];
  /** The uniform block, if there is one. */
  readonly uniform: Uint8Array | null;
  readonly subgroupSize: number;
  /** Whether lanes of a subgroup may be any invocations: WGSL promises no order. */
  readonly mixed: boolean;
}

/** Turns of loops that a dispatch may take. */
const MOST_TURNS = 50_000_000;

/** Runs a dispatch on the bytes of its bindings. Throws where invocations race, leave their memory or part at a barrier. */
export function runDispatch(dispatch: Dispatch, dice: Dice): void {
  const module = compileModule(dispatch.wgsl);
  checkAliases(dispatch);
  const now: Now = { invocation: 0, storageEpoch: 1, workgroupEpoch: 1, firstEpoch: 1, turns: MOST_TURNS };
  const memories = module.memories.map((memory) => {
    const { name, space, scalar, stride, writable } = memory;
    const data =
      space === "workgroup"
        ? wordsOf(scalar, new ArrayBuffer(workgroupNumbers(memory) * 4), 0, workgroupNumbers(memory))
        : boundWords(dispatch, memory.binding, memory.name, scalar);
    return new WatchedMemory(now, { name, space, data, stride, writable, atomic: module.atomics.has(name) });
  });
  const invoke = module.instantiate(now, memories, uniformNumbers(module, dispatch.uniform));
  const [x, y, z] = dispatch.workgroups;
  const groups = shuffled(
    Array.from({ length: x * y * z }, (_, i) => i),
    dice,
  );
  for (const group of groups) {
    now.firstEpoch = ++now.storageEpoch;
    now.workgroupEpoch++;
    memories.forEach((memory, i) => void (module.memories[i]?.space === "workgroup" && memory.data.fill(0)));
    const shared = {
      workgroup_id: [group % x, Math.floor(group / x) % y, Math.floor(group / x / y)],
      num_workgroups: dispatch.workgroups,
      subgroup_size: dispatch.subgroupSize,
    };
    const order = shuffled(
      Array.from({ length: module.size }, (_, i) => i),
      dice,
    );
    // Which lane an invocation is: by its number, or by chance.
    const places = dispatch.mixed ? shuffled([...order], dice) : order.map((_, i) => i);
    const builtinsOf = (local: number) => ({
      ...shared,
      local_invocation_index: local,
      local_invocation_id: [local, 0, 0],
      global_invocation_id: [(group % x) * module.size + local, Math.floor(group / x) % y, Math.floor(group / x / y)],
      subgroup_invocation_id: (places[local] as number) % dispatch.subgroupSize,
    });
    if (module.suspends) {
      const subgroupOf = (local: number) => Math.floor((places[local] as number) / dispatch.subgroupSize);
      runTogether({ module, now, invoke, builtinsOf, subgroupOf, first: group * module.size, order }, dice);
      continue;
    }
    for (const local of order) {
      now.invocation = group * module.size + local;
      invoke(builtinsOf(local));
    }
  }
}

/** Fisher and Yates. */
export function shuffled<T>(list: T[], dice: Dice): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const k = dice.below(i + 1);
    const one = list[i] as T;
    list[i] = list[k] as T;
    list[k] = one;
  }
  return list;
}

function wordsOf(scalar: Scalar, buffer: ArrayBufferLike, offset: number, count: number): Words {
  if (scalar === "f32") return new Float32Array(buffer, offset, count);
  if (scalar === "i32") return new Int32Array(buffer, offset, count);
  if (scalar === "f16") return new Uint16Array(buffer, offset, count);
  return new Uint32Array(buffer, offset, count);
}

function boundWords({ bindings }: Dispatch, number: number, name: string, scalar: Scalar): Words {
  const bytes = bindings[number]?.bytes;
  if (bytes === undefined) throw new Error(`nothing is bound for ${name}`);
  return wordsOf(scalar, bytes.buffer, bytes.byteOffset, Math.floor(bytes.byteLength / (scalar === "f16" ? 2 : 4)));
}

function uniformNumbers({ uniform }: CompiledModule, bytes: Uint8Array | null): Record<string, number> {
  const numbers: Record<string, number> = {};
  if (uniform === null) return numbers;
  if (bytes === null) throw new Error("nothing is bound for the uniform block");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const { name, scalar, offset } of uniform.members) {
    if (scalar === "f32") numbers[name] = view.getFloat32(offset, true);
    else if (scalar === "i32") numbers[name] = view.getInt32(offset, true);
    else if (scalar === "f16") numbers[name] = fromHalfBits(view.getUint16(offset, true));
    else numbers[name] = view.getUint32(offset, true);
  }
  return numbers;
}

/** WebGPU refuses bindings that show the same bytes where one of them may be written. */
function checkAliases({ bindings }: Dispatch): void {
  bindings.forEach(({ bytes: a, access }, i) => {
    bindings.forEach(({ bytes: b }, k) => {
      if (i === k || access === "read" || a.buffer !== b.buffer) return;
      const apart = a.byteOffset + a.byteLength <= b.byteOffset || b.byteOffset + b.byteLength <= a.byteOffset;
      if (!apart) throw new Error(`bindings ${i} and ${k} show the same bytes, and ${i} is written`);
    });
  });
}
