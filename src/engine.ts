// The engine: opens the device, records what is asked for as jobs, and runs these there.

import { bytesOf, type DType, encode } from "./dtype.ts";
import { DeviceLostError, internal, WgradError } from "./errors.ts";
import { type Node, sourceNode } from "./graph/node.ts";
import { type Capture, capture, type Request } from "./graph/program.ts";
import { Storage } from "./graph/storage.ts";
import { Tensor } from "./graph/tensor.ts";
import { currentTrace, readAnew, traceEffect } from "./graph/trace.ts";
import { abandonAssigned, gatherRequests, settleAssigned, takeGradients, takeLosses } from "./pending.ts";
import { findPlan, forgetPlans, isCurrent, replaceSchedules, scalarBlock, traitsOf } from "./plan-cache.ts";
import { adopt, beginRun, dropIdle, forgetResident, leafRange, memoryOn, moveToHost } from "./residency.ts";
import { Device, type DeviceOptions } from "./runtime/device.ts";
import type { Range } from "./runtime/executable.ts";
import type { DeviceMemory } from "./runtime/memory.ts";
import { bytesFor } from "./schedule/memory.ts";
import type { Plan } from "./schedule/plan.ts";
import type { DeviceTraits } from "./shaders/kernel.ts";
import type { ScheduleBook } from "./shaders/schedules.ts";
import { type Shape, sizeOf } from "./shape.ts";

/** A run that has been recorded: everything is fixed but the device that executes it. */
export interface Job {
  readonly captured: Capture;
  /** Host bytes of the leaves at the time of recording. */
  readonly hosts: readonly (ArrayBufferView | null)[];
  readonly storages: readonly Storage[];
  readonly offsets: readonly number[];
  readonly scalars: readonly number[];
  /** Storage of each request that gets memory of its own, else null. */
  readonly outputs: readonly (Storage | null)[];
  /** Which requests to read back in the same submit. */
  readonly reads: readonly number[];
  readonly settle: (reads: Promise<ArrayBuffer>[]) => void;
  readonly fail: (error: unknown) => void;
  /** A compiled step keeps its plan. */
  plan: Plan | null;
}

let device: Device | null = null;
let opening: Promise<Device> | null = null;
let jobs: Job[] = [];

/** Opens the device with options, or the default one. A device that is open already is kept unless options are given. */
export async function openDevice(options?: DeviceOptions): Promise<Device> {
  if (options === undefined) {
    if (device !== null && device.failure === null) return device;
    if (opening !== null) return opening;
  }
  const promise = Device.open(options).then((opened) => {
    if (opening !== promise) return opened;
    opening = null;
    if (device !== null && device !== opened && device.failure === null) device.destroy();
    device = opened;
    forgetPlans();
    forgetResident();
    const waiting = jobs;
    jobs = [];
    for (const job of waiting) execute(opened, job);
    return opened;
  });
  opening = promise;
  promise.catch((error: unknown) => {
    if (opening === promise) opening = null;
    const waiting = jobs;
    jobs = [];
    for (const job of waiting) job.fail(error);
  });
  return promise;
}

/** The open device, if there is one. */
export function openedDevice(): Device | null {
  return device;
}

/** What plans are made for: the open device's traits, or those that every device has. */
export function currentTraits(): DeviceTraits {
  return traitsOf(device);
}

/** Makes all plans anew, with these schedules (or the default ones). Nothing may be on its way. */
export function useSchedules(book: ScheduleBook | null): void {
  replaceSchedules(book, device);
}

/** Number that a host-backed one-element leaf holds. */
function hostNumber(node: Node): number {
  return ((node.storage as Storage).host as Float32Array)[0] as number;
}

/** Computes `targets`, and the assignments unless `only` these are asked for; the bytes of `read` come back. */
export function flush(targets: readonly Node[], read: Node | null, only = false): Promise<ArrayBuffer> | null {
  if (currentTrace() !== null) {
    throw new WgradError(
      "compile: values cannot be read or realized while a step is traced. Return them from the compiled function.",
      { op: "compile" },
    );
  }
  let captured: Capture;
  let assigned: Tensor[];
  try {
    const gathered = gatherRequests(targets, only);
    if (gathered.requests.length === 0) return null;
    assigned = gathered.assigned;
    captured = capture(gathered.requests);
  } catch (error) {
    // A value that cannot be computed must not poison what comes later.
    abandonAssigned();
    throw error;
  }
  const outputs = captured.requests.map(({ node, slot }) =>
    slot === null ? new Storage(dataBytes(node), null) : null,
  );
  let resolveRead: (value: Promise<ArrayBuffer>) => void = () => undefined;
  let rejectRead: (error: unknown) => void = () => undefined;
  const readIndex = read === null ? -1 : captured.requests.findIndex((r) => r.slot === null && r.node === read);
  const promise =
    readIndex < 0
      ? null
      : new Promise<ArrayBuffer>((resolve, reject) => {
          resolveRead = resolve;
          rejectRead = reject;
        });
  const job = makeJob(
    captured,
    outputs,
    readIndex < 0 ? [] : [readIndex],
    (reads) => resolveRead(reads[0] as Promise<ArrayBuffer>),
    rejectRead,
  );
  captured.requests.forEach(({ node }, i) => {
    const storage = outputs[i];
    if (storage === null || storage === undefined) return;
    node.storage = storage;
    node.offset = 0;
    node.version = 0;
  });
  settleAssigned(assigned);
  start(job);
  return promise;
}

/** A job over a capture, with the host's values as they are now. */
export function makeJob(
  captured: Capture,
  outputs: readonly (Storage | null)[],
  reads: readonly number[],
  settle: Job["settle"],
  fail: Job["fail"],
): Job {
  return {
    captured,
    hosts: captured.buffers.map((b) => b.storage.host),
    storages: captured.buffers.map((b) => b.storage),
    offsets: captured.buffers.map((b) => b.offset),
    scalars: captured.scalars.map(hostNumber),
    outputs,
    reads,
    settle,
    fail,
    plan: null,
  };
}

/** Runs a job, or queues it until the device is open. */
export function start(job: Job): void {
  if (device !== null) execute(device, job);
  else {
    jobs.push(job);
    void openDevice().catch(() => undefined);
  }
}

/** Bytes of a node's value, as the host sees them. */
export function dataBytes(node: { readonly shape: Shape; readonly dtype: DType }): number {
  return sizeOf(node.shape) * bytesOf(node.dtype);
}

function execute(on: Device, job: Job): void {
  try {
    if (on.failure !== null) throw on.failure;
    beginRun();
    const plan =
      job.plan !== null && isCurrent(job.plan) ? job.plan : findPlan(on, job.captured, () => workspaceFor(on, job));
    job.plan = plan;
    const after: (() => void)[] = [];
    const written = new Set(job.captured.destinations.flatMap((d) => (d.kind === "slot" ? [d.index] : [])));
    const shared = new Map<Storage, Range>();
    const leaves = job.storages.map((storage, i): Range => {
      const range = leafRange(
        on,
        storage,
        job.hosts[i] ?? null,
        written.has(i) || writesStorage(job, storage),
        shared,
        after,
      );
      return { buffer: range.buffer, offset: range.offset + (job.offsets[i] as number) };
    });
    const outputs = job.outputs.map((storage, i): DeviceMemory | null => {
      if (storage === null) return null;
      const memory = on.allocate(plan.outputs[i] as number);
      if (storage.disposed) after.push(() => memory.release());
      else adopt(storage, memory);
      return memory;
    });
    const reads = on.run({
      executable: plan,
      leaves,
      scalars: scalarBlock(plan, job.captured, job.scalars),
      outputs,
      reads: job.reads.map((i) => ({
        from: { kind: "output", index: i },
        bytes: dataBytes((job.captured.requests[i] as Request).node),
      })),
      verify: () => {
        for (const { failure } of job.storages) if (failure !== null) throw failure;
      },
      fail: (error) => failOutputs(job, error),
    });
    for (const release of after) release();
    dropIdle();
    job.settle(reads);
  } catch (error) {
    // The run has not happened: what it would have overwritten keeps its old content.
    job.captured.destinations.forEach((d) => {
      if (d.kind !== "slot") return;
      const storage = job.storages[d.index] as Storage;
      if (storage.device === null) storage.host = job.hosts[d.index] ?? null;
    });
    failOutputs(job, error);
    job.fail(error);
    if (job.reads.length === 0) throw error;
  }
}

/** What a run that failed should have computed has no value: whoever reads it later must hear why. */
function failOutputs(job: Job, error: unknown): void {
  for (const storage of job.outputs) if (storage !== null) storage.failure = error;
}

function writesStorage(job: Job, storage: Storage): boolean {
  return job.captured.destinations.some((d) => d.kind === "slot" && job.storages[d.index] === storage);
}

/** Bytes that a job's plan may use between its kernels: what `memoryLimit` leaves beside what the job reads and returns. */
function workspaceFor(on: Device, job: Job): number {
  const missing = [...new Set(job.storages)].filter((storage) => memoryOn(on, storage) === null);
  return on.workspaceRoom([
    ...missing.map((storage) => Math.max(storage.byteLength, 272)),
    ...job.captured.requests.flatMap(({ node, slot }) => (slot === null ? [bytesFor(node)] : [])),
  ]);
}

/** Submits all assignments and the losses on which backward was called as one plan; does not wait. */
export function submit(updated: Iterable<Tensor> = []): void {
  if (currentTrace() !== null) return;
  flush([...takeLosses(), ...takeGradients(updated)], null);
}

/** Resolves when at most `ahead` submitted plans are unfinished. */
export async function synchronize(ahead = 2): Promise<void> {
  const on = device ?? (opening === null ? null : await opening);
  if (on !== null) await on.synchronize(ahead);
}

/** The bytes of a node's value. */
export async function readBytes(node: Node): Promise<ArrayBuffer> {
  const together = flush([node], node);
  const storage = node.storage;
  if (storage === null) throw internal("a value that was not computed");
  const bytes = dataBytes(node);
  if (together !== null) {
    const result = await together;
    device?.check();
    moveToHost(storage, result, node.dtype);
    return result;
  }
  if (storage.host !== null) {
    const { buffer, byteOffset } = storage.host;
    return (buffer as ArrayBuffer).slice(byteOffset + node.offset, byteOffset + node.offset + bytes);
  }
  const on = await openDevice();
  on.check();
  const memory = memoryOn(on, storage);
  if (memory === null) return new ArrayBuffer(bytes);
  const result = await on.read({ buffer: memory.buffer, offset: memory.offset + node.offset }, bytes);
  if (storage.failure !== null) throw storage.failure;
  return result;
}

/**
 * A 0-dim tensor that is data, never shader text: `refresh` is called now, and again before every replay of the compiled
 * step being traced (learning rates, bias corrections).
 */
export function scalar(refresh: () => number, dtype: "f32" | "i32" | "u32" = "f32"): Tensor {
  const host = encode([readAnew(refresh)], dtype).slice();
  traceEffect(() => {
    host[0] = readAnew(refresh);
  });
  return new Tensor(sourceNode(new Storage(4, host), 0, [], dtype));
}

/** Throws where the device has failed. */
export function checkDevice(): void {
  if (device?.failure instanceof DeviceLostError) throw device.failure;
}
