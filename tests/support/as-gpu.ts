// Runs graphs by the kernels that a GPU would get, whatever device is there: software devices have schedules of their own.

import { decode } from "../../src/base/dtype.ts";
import { sizeOf } from "../../src/base/shape.ts";
import { currentTraits, dataBytes, makeJob, start } from "../../src/engine/engine.ts";
import { planOf, useRematerialization } from "../../src/engine/plan-cache.ts";
import type { DeviceTraits } from "../../src/graph/kernel-program.ts";
import { capture } from "../../src/graph/program.ts";
import { Storage } from "../../src/graph/storage.ts";
import { rematerialize } from "../../src/schedule/rematerialize.ts";
import { init, type Tensor } from "../../src/tensor.ts";

/** The tensors' values, computed for a device of class "gpu"; the tensors themselves stay as they are. */
export function dataAsGpu(...tensors: Tensor[]): Promise<ArrayLike<number>[]> {
  return dataPlanned(tensors, { kind: "gpu" });
}

/** The tensors' values, by the plan for a device of those traits with a workspace of at most `memory` bytes; the tensors themselves stay as they are. */
export async function dataPlanned(
  tensors: readonly Tensor[],
  traits: Partial<DeviceTraits>,
  memory: number = Number.POSITIVE_INFINITY,
): Promise<ArrayLike<number>[]> {
  await init();
  const captured = capture(tensors.map(({ node }) => ({ node, slot: null })));
  // As `init` does where it is told a limit.
  useRematerialization(rematerialize);
  const plan = planOf(
    captured,
    captured.constants.map(() => false),
    { ...currentTraits(), ...traits },
    memory,
  );
  const bytes = await new Promise<ArrayBuffer[]>((resolve, reject) => {
    const outputs = tensors.map(({ node }) => new Storage(dataBytes(node), null));
    const reads = tensors.map((_, i) => i);
    const settle = (found: Promise<ArrayBuffer>[]): void => void Promise.all(found).then(resolve, reject);
    const job = makeJob(captured, outputs, { assigned: [], realized: [], reads, settle, fail: reject });
    start({ ...job, plan });
  });
  return tensors.map(({ dtype, shape }, i) => decode(bytes[i] as ArrayBuffer, dtype, sizeOf(shape)));
}
