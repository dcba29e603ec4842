// The engine: opens the device, records what is asked for as jobs, and runs these there.

import { bytesOf, type DType, encode } from "./dtype.ts";
import { DeviceLostError, internal, WgradError } from "./errors.ts";
import { type Node, sourceNode } from "./graph/node.ts";
import { type Capture, capture, isRealized, type Request } from "./graph/program.ts";
import { Storage } from "./graph/storage.ts";
import { Tensor } from "./graph/tensor.ts";
import { currentTrace, readAnew, traceEffect } from "./graph/trace.ts";
import { abandonAssigned, gatherRequests, settleAssigned, takeGradients, takeLosses } from "./pending.ts";
import { findPlan, forgetPlans, isCurrent, replaceSchedules, scalarBlock, traitsOf } from "./plan-cache.ts";
import { adopt, beginRun, dropIdle, forgetResident, leafRange, memoryOn, moveToHost } from "./residency.ts";
import { deferred } from "./runtime/deferred.ts";
import { Device } from "./runtime/device.ts";
import type { Range } from "./runtime/executable.ts";
import type { DeviceMemory } from "./runtime/memory.ts";
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
let room: ((on: Device, job: Job) => number) | null = null;
/** What was recorded while there was no device. */
const jobs: Job[] = [];

/**
 * The open device, or the default one, opened. With `open` given, what that returns, which is to close the device before it: openings
 * come one after the other, and what waits for a device gets the last one.
 */
export async function openDevice(open?: () => Device | Promise<Device>): Promise<Device> {
  if (open === undefined) {
    if (device?.failure === null && jobs.length === 0) return device;
    if (opening !== null) return opening;
  }
  const promise = Promise.allSettled([opening])
    .then(open ?? (() => Device.open()))
    .then((opened) => {
      if (opened === device) return opened;
      device = opened;
      forgetPlans();
      forgetResident();
      return opened;
    });
  opening = promise;
  const settle = (error: unknown): void => {
    if (opening !== promise) return;
    opening = null;
    if (device?.failure === null) runWaiting(device);
    else postpone(error);
  };
  promise.then((opened) => settle(opened.failure), settle);
  return promise;
}

function runWaiting(on: Device): void {
  const after: (() => void)[] = [];
  for (const job of jobs.splice(0)) {
    const error = execute(on, job, after);
    // What is read tells of it, what should have been overwritten has nobody who would.
    if (error !== null && overwritten(job).length > 0) on.tell(error);
  }
  for (const release of after) release();
}

/** No device has taken the jobs: those that give storages their first value go on waiting, the others will never run. */
function postpone(error: unknown): void {
  const waiting = new Set<Storage>();
  for (const job of jobs.splice(0)) {
    job.fail(error);
    const slots = overwritten(job);
    if (slots.some(({ storage, host }) => storage.empty && host === null && !waiting.has(storage))) {
      for (const { storage } of slots) waiting.add(storage);
      jobs.push({ ...job, reads: [] });
    } else {
      failOutputs(job, error);
      undo(slots);
    }
  }
}

/** Gives plans a limit for what they use between their kernels: only pages that set one load it. */
export function limitRoom(how: (on: Device, job: Job) => number): void {
  room = how;
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
    dropImpossible(error);
    throw error;
  }
  const outputs = captured.requests.map(({ node, slot }) =>
    slot === null ? new Storage(dataBytes(node), null) : null,
  );
  const readIndex = read === null ? -1 : captured.requests.findIndex((r) => r.slot === null && r.node === read);
  const waiter = readIndex < 0 ? null : deferred<ArrayBuffer>();
  const job = makeJob(
    captured,
    outputs,
    readIndex < 0 ? [] : [readIndex],
    (reads) => waiter?.resolve(reads[0] as Promise<ArrayBuffer>),
    (error) => waiter?.reject(error),
  );
  captured.requests.forEach(({ node }, i) => {
    const storage = outputs[i];
    if (storage) node.put(storage, 0);
  });
  settleAssigned(assigned);
  start(job);
  return waiter?.promise ?? null;
}

/** Gives assignments up where they cannot be computed themselves: they must not poison what comes later. */
function dropImpossible(error: unknown): void {
  let assigned: Tensor[] = [];
  try {
    const gathered = gatherRequests([]);
    assigned = gathered.assigned;
    capture(gathered.requests);
  } catch {
    // A tensor that was never written has no old value to go back to.
    for (const { slot } of assigned) if (slot?.storage.empty) slot.storage.lose(error);
    abandonAssigned();
  }
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

/** Runs a job, or queues it until the device is open. Throws where it can't run and nobody reads from it. */
export function start(job: Job): void {
  let error: unknown = null;
  if (device?.failure === null && jobs.length === 0) {
    const after: (() => void)[] = [];
    error = execute(device, job, after);
    for (const release of after) release();
  } else {
    jobs.push(job);
    if (device === null || opening !== null) void openDevice().catch(() => undefined);
    else {
      error = device.failure;
      postpone(error);
    }
  }
  if (error !== null && job.reads.length === 0) throw error;
}

/** Bytes of a node's value, as the host sees them. */
export function dataBytes(node: { readonly shape: Shape; readonly dtype: DType }): number {
  return sizeOf(node.shape) * bytesOf(node.dtype);
}

/** Where a job overwrites what a storage holds. */
interface Overwritten {
  readonly storage: Storage;
  readonly host: ArrayBufferView | null;
  readonly offset: number;
  readonly bytes: number;
}

function overwritten({ captured, storages, hosts, offsets }: Job): Overwritten[] {
  return captured.destinations.flatMap((d, i) => {
    if (d.kind !== "slot") return [];
    return {
      storage: storages[d.index] as Storage,
      host: hosts[d.index] ?? null,
      offset: offsets[d.index] as number,
      bytes: dataBytes((captured.requests[i] as Request).node),
    };
  });
}

/** Runs a job. Returns why it can't run, after everybody who reads from it was told. What `after` collects is to be done when nobody else waits. */
function execute(on: Device, job: Job, after: (() => void)[]): unknown {
  const { captured, storages } = job;
  const slots = overwritten(job);
  const empty = new Set<Storage>();
  const fail = (error: unknown): void => {
    failOutputs(job, error);
    // What was lost with the device is found out when it is asked for on another one, where it may have got values since.
    if (on.failure === null) for (const storage of empty) storage.lose(error);
  };
  const checkRead = (): void => {
    captured.buffers.forEach(({ node }, i) => {
      if (node !== null) storages[i]?.check(job.offsets[i] as number, dataBytes(node));
    });
  };
  try {
    if (on.failure !== null) throw on.failure;
    beginRun();
    storages.forEach((storage, i) => {
      // What there was may have been lost with another device.
      memoryOn(on, storage);
      if (!storage.empty || job.hosts[i]) return;
      empty.add(storage);
      if (storage.missing.size === 0) storage.lose(internal("a value that was not computed"));
    });
    checkRead();
    const plan =
      job.plan !== null && isCurrent(job.plan)
        ? job.plan
        : findPlan(on, captured, () => room?.(on, job) ?? Number.POSITIVE_INFINITY);
    job.plan = plan;
    const targets = new Set(slots.map(({ storage }) => storage));
    const shared = new Map<Storage, Range>();
    const leaves = storages.map((storage, i): Range => {
      const range = leafRange(on, storage, job.hosts[i] ?? storage.host, targets.has(storage), shared, after);
      return { buffer: range.buffer, offset: range.offset + (job.offsets[i] as number) };
    });
    const outputs = job.outputs.map((storage, i): DeviceMemory | null => {
      if (storage === null) return null;
      const memory = on.allocate(plan.outputs[i] as number);
      adopt(storage, memory, after);
      return memory;
    });
    const reads = on.run({
      executable: plan,
      leaves,
      scalars: scalarBlock(plan, captured, job.scalars),
      outputs,
      reads: job.reads.map((i) => ({
        from: { kind: "output", index: i },
        bytes: dataBytes((captured.requests[i] as Request).node),
      })),
      verify: checkRead,
      fail,
    });
    for (const { storage, offset, bytes } of slots) storage.written(offset, bytes);
    dropIdle();
    job.settle(reads);
    return null;
  } catch (error) {
    undo(slots);
    fail(error);
    job.fail(error);
    return error;
  }
}

/** A job has not run: what it would have overwritten keeps its old content. */
function undo(slots: readonly Overwritten[]): void {
  for (const { storage, host } of slots) if (storage.device === null) storage.host ??= host;
}

/** What a run that failed should have computed has no value: whoever reads it later must hear why. */
function failOutputs(job: Job, error: unknown): void {
  for (const storage of job.outputs) storage?.lose(error);
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
  const storage = node.storage as Storage;
  const bytes = dataBytes(node);
  if (together !== null) {
    const result = await together;
    device?.check();
    moveToHost(storage, result, node.dtype);
    return result;
  }
  if (storage.host === null) {
    // At once where that is possible: the tensor may be disposed of right after.
    const on = device?.failure === null && jobs.length === 0 ? device : await openDevice();
    on.check();
    if (storage.disposed && !isRealized(node)) return readBytes(node);
    const memory = memoryOn(on, storage);
    storage.check(node.offset, bytes);
    if (memory !== null) {
      const result = await on.read({ buffer: memory.buffer, offset: memory.offset + node.offset }, bytes);
      storage.check(node.offset, bytes);
      return result;
    }
    if (storage.blank) return new ArrayBuffer(bytes);
  }
  if (storage.host === null) throw internal("a value that was not computed");
  const { buffer, byteOffset } = storage.host;
  return (buffer as ArrayBuffer).slice(byteOffset + node.offset, byteOffset + node.offset + bytes);
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
