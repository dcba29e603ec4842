// The order of kernels: a kernel that frees memory runs as soon as it can, all others as recorded.

import { must } from "../base/errors.ts";

/** A stretch of planned memory. */
export interface Block {
  readonly bytes: number;
  /** Set for blocks that many kernels fill and that live till the end: the order of these kernels makes no difference. */
  readonly collects: boolean;
}

/** A kernel as the order sees it. */
export interface Task {
  /** Those that must run before, in the list of tasks. */
  readonly after: readonly number[];
  /** Numbers of the blocks that it fills, and of those that it reads. */
  readonly writes: readonly number[];
  readonly reads: readonly number[];
}

/** The number of kernels in a row that are looked at together: partial sums save nothing before they are summed. */
const CHAIN = 4;

/** Returns an order that respects `after` and has the smallest peak of live bytes among those tried. `kept` are blocks that live to the end. */
export function orderTasks(tasks: readonly Task[], blocks: readonly Block[], kept: ReadonlySet<number>): number[] {
  const recorded = must(recordedOrder(tasks), "kernels depend on each other in a circle");
  const eager = eagerOrder(tasks, blocks, kept, recorded);
  return peakBytes(tasks, blocks, kept, eager) <= peakBytes(tasks, blocks, kept, recorded) ? eager : recorded;
}

/** Returns the recorded order, with each task after those that it needs; null if tasks need each other in a circle. */
export function recordedOrder(tasks: readonly Pick<Task, "after">[]): number[] | null {
  const order: number[] = [];
  const state = new Uint8Array(tasks.length);
  for (let root = 0; root < tasks.length; root++) {
    const stack = [root];
    for (let top = stack[stack.length - 1]; top !== undefined; top = stack[stack.length - 1]) {
      if (state[top] === 2) {
        stack.pop();
        continue;
      }
      const missing = (tasks[top] as Pick<Task, "after">).after.filter((t) => state[t] !== 2);
      if (missing.length === 0) {
        state[top] = 2;
        order.push(top);
        stack.pop();
      } else if (state[top] === 1) return null;
      else {
        state[top] = 1;
        for (let i = missing.length - 1; i >= 0; i--) stack.push(missing[i] as number);
      }
    }
  }
  return order;
}

/** What is alive while tasks run one after another. */
class Memory {
  readonly #tasks: readonly Task[];
  readonly #blocks: readonly Block[];
  readonly #users: Int32Array;
  readonly #alive: Uint8Array;
  live = 0;
  peak = 0;

  constructor(tasks: readonly Task[], blocks: readonly Block[], kept: ReadonlySet<number>) {
    this.#tasks = tasks;
    this.#blocks = blocks;
    this.#users = new Int32Array(blocks.length);
    this.#alive = new Uint8Array(blocks.length);
    for (const task of tasks) for (const b of usesOf(task)) this.#users[b] = (this.#users[b] as number) + 1;
    for (const b of kept) this.#users[b] = (this.#users[b] as number) + 1;
  }

  /** Bytes that running `chain` adds at its worst and when it is done; blocks that collect are left out. */
  effect(chain: readonly number[]): { worst: number; net: number } {
    const used = new Map<number, number>();
    let net = 0;
    let worst = 0;
    for (const t of chain) {
      const task = this.#tasks[t] as Task;
      for (const b of task.writes) {
        const block = this.#blocks[b] as Block;
        if (this.#alive[b] === 0 && !used.has(b) && !block.collects) net += block.bytes;
      }
      worst = Math.max(worst, net);
      for (const b of usesOf(task)) {
        const count = (used.get(b) ?? 0) + 1;
        used.set(b, count);
        const block = this.#blocks[b] as Block;
        if (count === this.#users[b] && !block.collects) net -= block.bytes;
      }
    }
    return { worst, net };
  }

  run(t: number): void {
    const task = this.#tasks[t] as Task;
    for (const b of task.writes) {
      if (this.#alive[b] === 1) continue;
      this.#alive[b] = 1;
      this.live += (this.#blocks[b] as Block).bytes;
    }
    this.peak = Math.max(this.peak, this.live);
    for (const b of usesOf(task)) {
      const left = (this.#users[b] as number) - 1;
      this.#users[b] = left;
      if (left === 0) this.live -= (this.#blocks[b] as Block).bytes;
    }
  }
}

function usesOf(task: Task): Set<number> {
  return new Set([...task.writes, ...task.reads]);
}

function peakBytes(
  tasks: readonly Task[],
  blocks: readonly Block[],
  kept: ReadonlySet<number>,
  order: readonly number[],
): number {
  const memory = new Memory(tasks, blocks, kept);
  for (const t of order) memory.run(t);
  return memory.peak;
}

/** Returns the recorded order, except that a task that leaves no more bytes alive than before (the gradient of a weight, say) runs as soon as it can. */
function eagerOrder(
  tasks: readonly Task[],
  blocks: readonly Block[],
  kept: ReadonlySet<number>,
  recorded: readonly number[],
): number[] {
  const memory = new Memory(tasks, blocks, kept);
  const waits = tasks.map((t) => new Set(t.after).size);
  const followers: number[][] = tasks.map(() => []);
  tasks.forEach((task, i) => {
    for (const before of new Set(task.after)) (followers[before] as number[]).push(i);
  });
  const done = new Uint8Array(tasks.length);
  const ready = new Set<number>();
  waits.forEach((n, i) => {
    if (n === 0) ready.add(i);
  });
  const order: number[] = [];
  const run = (t: number) => {
    memory.run(t);
    done[t] = 1;
    ready.delete(t);
    order.push(t);
    for (const follower of followers[t] as number[]) {
      const left = (waits[follower] as number) - 1;
      waits[follower] = left;
      if (left === 0) ready.add(follower);
    }
  };
  /** Returns `t` and the tasks that can follow it at once because they wait for nothing else. */
  const chainOf = (t: number): number[] => {
    const chain = [t];
    while (chain.length < CHAIN) {
      const next = (followers[chain[chain.length - 1] as number] as number[]).filter((f) => done[f] === 0);
      if (next.length !== 1 || (waits[next[0] as number] as number) !== 1) break;
      chain.push(next[0] as number);
    }
    return chain;
  };
  let at = 0;
  while (order.length < tasks.length) {
    let best: number[] | null = null;
    let least = 1;
    for (const t of ready) {
      const chain = chainOf(t);
      for (let length = 1; length <= chain.length; length++) {
        const part = chain.slice(0, length);
        const { worst, net } = memory.effect(part);
        if (net >= least || memory.live + worst > memory.peak) continue;
        least = net;
        best = part;
      }
    }
    if (best !== null) best.forEach(run);
    else {
      while (done[recorded[at] as number] === 1) at++;
      run(recorded[at] as number);
    }
  }
  return order;
}
