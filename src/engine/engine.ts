// The engine: opens the device, turns requests into jobs, and runs the jobs.

import { bytesOf, type DType, encode } from "../base/dtype.ts";
import { DeviceLostError, internal, must, OutOfMemoryError, WgradError } from "../base/errors.ts";
import { type Shape, sizeOf } from "../base/shape.ts";
import { neededAgain } from "../graph/needed-again.ts";
import { type Node, sourceNode } from "../graph/node.ts";
import { type Capture, capture, type Request } from "../graph/program.ts";
import { Storage } from "../graph/storage.ts";
import { recording, Tensor } from "../graph/tensor.ts";
import { currentTrace, readAnew, traceEffect } from "../graph/trace.ts";
import { deferred } from "../runtime/deferred.ts";
import { Device } from "../runtime/device.ts";
import type { Range } from "../runtime/executable.ts";
import type { DeviceMemory } from "../runtime/memory.ts";
import type { Plan } from "../schedule/plan.ts";
import type { PlanTraits, ScheduleBook } from "../shaders/schedules.ts";
import { forgetMade, makeAgain, missingBehind, noteReads, type OldValues, saveOldValues } from "./old-values.ts";
import { findPlan, forgetPlans, isCurrent, replaceSchedules, scalarBlock, traitsOf } from "./plan-cache.ts";
import {
  type Advance,
  abandonAssigned,
  assignedTensors,
  gatherRequests,
  settleAssigned,
  takeGradients,
  takeLosses,
  takeSmallResults,
  undoAssigned,
} from "./requests.ts";
import { adopt, beginRun, dropIdle, forgetResident, handOver, leafRange, memoryOn, moveToHost } from "./residency.ts";

/** A recorded run. Everything is fixed except the device that executes it. */
export interface Job {
  readonly captured: Capture;
  /** Host bytes of the leaves at the time of recording. */
  readonly hosts: readonly (ArrayBufferView | null)[];
  readonly storages: readonly Storage[];
  readonly offsets: readonly number[];
  readonly scalars: readonly number[];
  /** Storage of each request that gets memory of its own, else null. */
  readonly outputs: readonly (Storage | null)[];
  /** The tensors that are given new values, and what these values are in their cells. */
  readonly assigned: readonly Tensor[];
  readonly advances: readonly Advance[];
  /** Nodes that have values from here on. They need no history once there is a plan. */
  readonly realized: readonly Node[];
  /** Nodes whose values were computed for this job alone. The job gives them up when it is done. */
  readonly passing: readonly Node[];
  /** Which requests to read back in the same submit. */
  readonly reads: readonly number[];
  readonly settle: (reads: Promise<ArrayBuffer>[]) => void;
  readonly fail: (error: unknown) => void;
  /** A compiled step keeps its plan. */
  plan: Plan | null;
}

let device: Device | null = null;
let opening: Promise<Device> | null = null;
let limited: Limited | null = null;
/** Jobs that wait for a device, or for bytes on their way to the host. */
const jobs: Job[] = [];
/** Settles when the bytes that the first job waits for are on the host. */
let holding: Promise<void> | null = null;

/**
 * The open device, or the default one, opened. With `open` given, what that returns, which is to close the device before it: openings
 * come one after the other, and what waits for a device gets the last one.
 */
export async function openDevice(open?: () => Device | Promise<Device>): Promise<Device> {
  if (open === undefined) {
    while (holding !== null) await holding;
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

/** Runs the jobs that wait, up to one whose operands are on their way. */
function runWaiting(on: Device): void {
  const after: (() => void)[] = [];
  for (let job = jobs[0]; job !== undefined && !isHeld(job); job = jobs[0]) {
    jobs.shift();
    for (const storage of job.storages) storage.holders--;
    const error = execute(on, job, after);
    // Outputs report this error when they are read. Updates of state have no reader, so the device keeps it for the next one.
    if (error !== null && job.advances.length > 0) on.tell(error);
  }
  for (const release of after) release();
}

/** Whether the job has to wait for bytes on their way to the host. Waiting jobs run when the bytes are there. */
function isHeld(job: Job): boolean {
  // Before the question what is missing: making these again may read what is still on its way to the host.
  if (job.advances.length > 0) forgetMade();
  const { arrivals } = missingBehind(device, job.storages);
  if (arrivals.length === 0) return false;
  const arrived = Promise.all(arrivals).then(() => {
    if (holding === arrived) holding = null;
    if (device === null || opening !== null) return;
    if (device.failure === null) runWaiting(device);
    else postpone(device.failure);
  });
  holding = arrived;
  return true;
}

/** Handles a device that did not open. Jobs that give cells their first value go on waiting; the others will never run. */
function postpone(error: unknown): void {
  /** Values that these jobs would have made. */
  const made = new Set<Storage>();
  const failed: Job[] = [];
  const again: Job[] = [];
  for (const job of jobs.splice(0)) {
    job.fail(error);
    for (const storage of job.storages) storage.holders--;
    if (job.advances.some(({ before }) => before.empty && !made.has(before))) again.push({ ...job, reads: [] });
    else failed.push(job);
    for (const { after } of job.advances) made.add(after);
  }
  for (const job of again) {
    jobs.push(job);
    for (const storage of job.storages) storage.holders++;
  }
  // In reverse order: each moves back to the value before.
  for (const job of failed.reverse()) {
    failOutputs(job, error);
    undoAssigned(job.assigned, job.advances, error);
  }
}

/** What goes with a limit of memory: only pages that set one load it. */
export interface Limited {
  /** Bytes that a job's plan may use between its kernels. */
  workspaceFor(on: Device, job: Job): number;
  /** The error to report where a job, or a read at a line of the program, could not run. */
  explainJob(error: unknown, job: Job): unknown;
  explainRead(error: unknown, node: Node, line: string | null): unknown;
}

export function limitMemory(how: Limited): void {
  limited = how;
}

/** The open device, if there is one. */
export function openedDevice(): Device | null {
  return device;
}

/** The traits that plans are made for: those of the open device, or those that every device has. */
export function currentTraits(): PlanTraits {
  return traitsOf(device);
}

/** Forgets all plans, so that new ones use these schedules (null: the default ones). No run may be under way. */
export function useSchedules(book: ScheduleBook | null): void {
  replaceSchedules(book, device);
}

/** The number that the host has in a storage of one element. */
export function numberIn(storage: Storage, dtype: DType): number {
  const { buffer, byteOffset } = must(storage.host, "a number without bytes");
  const bytes = new DataView(buffer, byteOffset);
  if (dtype === "f32") return bytes.getFloat32(0, true);
  return dtype === "i32" ? bytes.getInt32(0, true) : bytes.getUint32(0, true);
}

/** How a flush differs from the usual one. */
interface FlushOptions {
  /** Leaves assignments for later. */
  readonly only?: boolean;
  /** Targets that remember what they are made of, so that their values can be given up and computed again. */
  readonly remember?: readonly Node[];
}

/** Computes `targets`, and the assignments; the bytes of `read` come back. */
export function flush(
  targets: readonly Node[],
  read: Node | null,
  { only = false, remember = [] }: FlushOptions = {},
): Promise<ArrayBuffer> | null {
  if (currentTrace() !== null) {
    throw new WgradError(
      "compile: values cannot be read or realized while a step is traced. Return them from the compiled function.",
      { op: "compile" },
    );
  }
  if (!only) {
    // What fails beside them must not take values along that have none before: weights as they were drawn.
    const first = assignedTensors(true);
    if (first.length > 0) compute([], null, first, []);
  }
  return compute(targets, read, only ? [] : assignedTensors(), remember);
}

/** Computes `targets` and what is assigned as one job. */
function compute(
  targets: readonly Node[],
  read: Node | null,
  assigned: readonly Tensor[],
  remember: readonly Node[],
): Promise<ArrayBuffer> | null {
  let captured: Capture;
  try {
    const requests = gatherRequests(targets, assigned);
    if (requests.length === 0) return null;
    captured = capture(requests);
    if (captured.nodes.some(({ seen }) => seen)) {
      const again = neededAgain(requests.map(({ node }) => node)).filter(
        (node) => !requests.some((r) => r.slot === null && r.node === node),
      );
      if (again.length > 0) captured = capture([...requests, ...again.map((node) => ({ node, slot: null }))]);
    }
  } catch (error) {
    dropImpossible(error);
    throw error;
  }
  const outputs = outputsOf(captured);
  const readIndex = read === null ? -1 : captured.requests.findIndex((r) => r.slot === null && r.node === read);
  const waiter = readIndex < 0 ? null : deferred<ArrayBuffer>();
  const computed = captured.requests.map(({ node }) => node).filter((node) => !remember.includes(node));
  const realized = [...computed, ...assigned.map(({ lastNode }) => lastNode)];
  const job = makeJob(captured, outputs, {
    assigned,
    realized,
    reads: readIndex < 0 ? [] : [readIndex],
    settle: (reads) => waiter?.resolve(reads[0] as Promise<ArrayBuffer>),
    fail: (error) => waiter?.reject(error),
  });
  captured.requests.forEach(({ node }, i) => {
    const storage = outputs[i];
    if (storage) node.put(storage, 0);
  });
  for (const node of captured.nodes) {
    node.seen = true;
    if (node.shareBytes()) realized.push(node);
  }
  start({ ...job, advances: settleAssigned(assigned) });
  return waiter?.promise ?? null;
}

/** Storages for the requests that get memory of their own. */
export function outputsOf(captured: Capture): (Storage | null)[] {
  return captured.requests.map(({ node, slot }) => (slot === null ? new Storage(dataBytes(node), null) : null));
}

/** Drops assignments that cannot be computed, so that they do not spoil later submits. */
function dropImpossible(error: unknown): void {
  const assigned = assignedTensors();
  try {
    capture(gatherRequests([], assigned));
  } catch {
    // A tensor that was never written has no old value to go back to.
    for (const { slot } of assigned) if (slot?.cell.storage.empty) slot.cell.storage.lose(error);
    abandonAssigned();
  }
}

/** A job over a capture, with the host's values as they are now. */
export function makeJob(
  captured: Capture,
  outputs: readonly (Storage | null)[],
  { assigned, realized, reads, settle, fail }: Pick<Job, "assigned" | "realized" | "reads" | "settle" | "fail">,
): Job {
  return {
    captured,
    hosts: captured.buffers.map((b) => b.storage.host),
    storages: captured.buffers.map((b) => b.storage),
    offsets: captured.buffers.map((b) => b.offset),
    scalars: captured.scalars.map(({ storage, dtype }) => numberIn(storage as Storage, dtype)),
    outputs,
    assigned,
    advances: [],
    realized,
    passing: [],
    reads,
    settle,
    fail,
    plan: null,
  };
}

/** Runs a job, or queues it until the device is open. Throws where it can't run and nobody reads from it. */
export function start(job: Job): void {
  let error: unknown = null;
  if (device?.failure === null && jobs.length === 0 && !isHeld(job)) {
    const after: (() => void)[] = [];
    error = execute(device, job, after);
    for (const release of after) release();
  } else {
    jobs.push(job);
    // Values that the job reads must stay, also if their handles are disposed of.
    for (const storage of job.storages) storage.holders++;
    if (device === null || opening !== null) void openDevice().catch(() => undefined);
    else if (device.failure !== null) {
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

/** Runs a job. If it cannot run, marks its outputs and returns the error. The caller must call what `after` collects when no other job waits. */
function execute(on: Device, job: Job, after: (() => void)[]): unknown {
  const { captured, storages, advances } = job;
  let saving: OldValues | null = null;
  const empty = new Set<Storage>();
  const fail = (error: unknown): void => {
    failOutputs(job, error);
    // Values that were lost with the device are noticed when another device reads them. They may have new values by then.
    if (on.failure !== null) return;
    for (const storage of empty) storage.lose(error);
    for (const { before, after } of advances) if (empty.has(before)) after.lose(error);
  };
  const checkRead = (): void => {
    captured.buffers.forEach(({ node }, i) => {
      if (node !== null) storages[i]?.check(job.offsets[i] as number, dataBytes(node));
    });
  };
  try {
    if (on.failure !== null) throw on.failure;
    beginRun();
    noteReads(storages, advances);
    makeAgain(on, storages, after);
    storages.forEach((storage, i) => {
      // The old value may have been lost with another device.
      memoryOn(on, storage);
      if (!storage.empty || job.hosts[i]) return;
      empty.add(storage);
      if (storage.missing.size === 0) storage.lose(internal("a value that was not computed"));
    });
    checkRead();
    const plan =
      job.plan !== null && isCurrent(job.plan)
        ? job.plan
        : findPlan(on, captured, () => limited?.workspaceFor(on, job) ?? Number.POSITIVE_INFINITY);
    job.plan = plan;
    const known = new Set(storages.filter(({ lastRun }) => lastRun >= 0));
    const targets = new Set(advances.map(({ before }) => before));
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
    for (const node of job.realized) node.forget();
    const scalars = scalarBlock(plan, captured, job.scalars);
    const { hosts, offsets } = job;
    const reads = captured.buffers.map(({ node }) => node !== null);
    saving = saveOldValues(on, { executable: plan, storages, reads, hosts, offsets, scalars, advances }, known);
    const answers = on.run({
      executable: plan,
      leaves,
      scalars,
      outputs,
      reads: job.reads.map((i) => ({
        from: { kind: "output", index: i },
        bytes: dataBytes((captured.requests[i] as Request).node),
      })),
      before: saving.copies,
      verify: checkRead,
      fail: (error) => {
        saving?.fail(error);
        fail(error);
      },
    });
    for (const { before, after: next } of advances) {
      // Most values lack nothing.
      if (before.missing.size > 0) next.inherit(before, writtenRanges(job, before));
      handOver(before, next, after);
    }
    saving.keep();
    giveUpPassing(job);
    dropIdle();
    job.settle(answers);
    return null;
  } catch (cause) {
    const error = limited?.explainJob(cause, job) ?? cause;
    saving?.drop();
    forgetMade();
    undoAssigned(job.assigned, advances, error);
    fail(error);
    if (cause instanceof OutOfMemoryError) computeLater(job);
    job.fail(error);
    giveUpPassing(job);
    return error;
  }
}

/** Gives up values that were computed for a job alone. They can be computed again. */
function giveUpPassing({ passing }: Job): void {
  for (const node of passing) {
    const { storage } = node;
    node.put(null, 0);
    if (storage?.holders === 0) storage.free();
  }
}

/** The bytes of a value that a job overwrites. */
function writtenRanges({ captured, storages, offsets }: Job, value: Storage): { offset: number; bytes: number }[] {
  return captured.destinations.flatMap((d, i) =>
    d.kind === "slot" && storages[d.index] === value
      ? [{ offset: offsets[d.index] as number, bytes: dataBytes((captured.requests[i] as Request).node) }]
      : [],
  );
}

/** Lets what memory had no room for be computed when it is asked for again. */
function computeLater({ captured, outputs }: Job): void {
  const lost = new Set(outputs);
  for (const node of captured.nodes) {
    const { storage, definition } = node;
    if (storage !== null && lost.has(storage) && definition.kind !== "source") node.put(null, 0);
  }
}

/** Marks the outputs of a failed run: reading them later reports the reason. */
function failOutputs(job: Job, error: unknown): void {
  for (const storage of job.outputs) storage?.lose(error);
}

/** Makes a value that was given up again, for whoever reads it at that line. */
function runAgain(on: Device, node: Node, line: string | null): void {
  const after: (() => void)[] = [];
  try {
    makeAgain(on, [node.storage as Storage], after);
  } catch (error) {
    throw limited?.explainRead(error, node, line) ?? error;
  } finally {
    for (const release of after) release();
  }
}

/** Submits, as one plan, all assignments and all losses on which `backward` was called. Does not wait. */
export function submit(updated: Iterable<Tensor> = []): void {
  if (currentTrace() !== null) return;
  const losses = takeLosses();
  flush([...losses, ...takeSmallResults(losses), ...takeGradients(updated)], null);
}

/** Resolves when at most `ahead` submitted plans are unfinished. */
export async function synchronize(ahead = 2): Promise<void> {
  const on = device ?? (opening === null ? null : await opening);
  if (on !== null) await on.synchronize(ahead);
}

/** The bytes of a tensor's value. */
export async function readBytes(x: Tensor): Promise<ArrayBuffer> {
  const target = x.node;
  const line = recording.locate?.() ?? null;
  const together = flush([target], target);
  if (together !== null) {
    const { storage } = target;
    const result = await together;
    device?.check();
    if (storage !== null) moveToHost(storage, result, target.dtype);
    return result;
  }
  // Where the target had a value already, an assignment that was submitted may have bound the tensor to another node.
  const { node } = x;
  const storage = must(node.storage, "a value that was not computed");
  const bytes = dataBytes(node);
  // Whoever disposes of the tensor right after still gets this value.
  node.retain();
  try {
    while (storage.host === null) {
      // At once where that is possible.
      const on = device?.failure === null && jobs.length === 0 ? device : await openDevice();
      on.check();
      // Another read may have brought the bytes meanwhile, or the job that makes them may wait for others.
      if (storage.host !== null) break;
      if (storage.device === null && holding !== null) {
        await holding;
        continue;
      }
      const memory = memoryOn(on, storage);
      storage.check(node.offset, bytes);
      if (memory !== null) {
        const result = await on.read({ buffer: memory.buffer, offset: memory.offset + node.offset }, bytes);
        storage.check(node.offset, bytes);
        return result;
      }
      if (storage.blank) return new ArrayBuffer(bytes);
      const { origins, arrivals } = missingBehind(on, [storage]);
      if (origins.length + arrivals.length === 0) throw internal("a value that was not computed");
      if (arrivals.length > 0) await Promise.all(arrivals);
      else runAgain(on, node, line);
    }
    const { buffer, byteOffset } = storage.host;
    return (buffer as ArrayBuffer).slice(byteOffset + node.offset, byteOffset + node.offset + bytes);
  } finally {
    node.release();
  }
}

/**
 * Makes a 0-dim tensor whose number is data, not part of the shader text: a learning rate, a bias correction. `refresh`
 * is called now, and again before each replay of the compiled step that is being traced.
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
