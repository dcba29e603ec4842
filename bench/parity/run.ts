// One place's part of the parity check: the same trainings and random numbers, wherever it runs.
import { data, dropout, init, io, manualSeed, ones, rand, randperm } from "wgrad";
import { networks } from "./networks.ts";

/** What one place is asked to do. */
export interface Task {
  readonly steps: number;
  /** The checkpoint is written after this step. */
  readonly checkpointAt: number;
  /** Checkpoints of another place, base64, by network: continued for `continued` steps. */
  readonly from?: Readonly<Record<string, string>>;
  readonly continued?: number;
}

/** What it found. */
export interface Findings {
  readonly adapter: string;
  /** Digests of what must be the same to the bit. */
  readonly bits: Readonly<Record<string, string>>;
  readonly losses: Readonly<Record<string, number[]>>;
  readonly checkpoints: Readonly<Record<string, string>>;
}

const SEED = 7;

/** Trains every network from the seed on, or from checkpoints. */
export async function run(task: Task): Promise<Findings> {
  const device = await init({ seed: SEED });
  const losses: Record<string, number[]> = {};
  const checkpoints: Record<string, string> = {};
  for (const [name, make] of Object.entries(networks)) {
    manualSeed(SEED);
    const { model, optimizer, loss } = make();
    let first = 0;
    if (task.from !== undefined) {
      const saved = await io.fromCheckpoint<{ model: never; optimizer: never }>(fromBase64(task.from[name] ?? ""));
      model.loadStateDict(saved.model);
      optimizer.loadStateDict(saved.optimizer);
      first = task.checkpointAt;
    }
    const values: number[] = [];
    const end = task.from === undefined ? task.steps : first + (task.continued ?? 0);
    for (let step = first; step < end; step++) {
      // So that whoever goes on from a checkpoint draws the same masks.
      manualSeed(1000 * SEED + step);
      optimizer.zeroGrad();
      const value = loss(step);
      value.backward();
      optimizer.step();
      values.push(await value.item());
      if (task.from === undefined && step + 1 === task.checkpointAt)
        checkpoints[name] = toBase64(await io.toCheckpoint({ model, optimizer }));
    }
    losses[name] = values;
  }
  return { adapter: device.adapterName, bits: await randomBits(), losses, checkpoints };
}

async function randomBits(): Promise<Record<string, string>> {
  manualSeed(SEED);
  const uniform = await rand([100_003]).data();
  const mask = await dropout(ones([50_021]), 0.3).data();
  const order = await randperm(1009).data();
  const shuffled: number[] = [];
  const set = new data.TensorDataset(Int32Array.from({ length: 1009 }, (_, i) => i));
  for await (const batch of new data.DataLoader(set, { batchSize: 100, shuffle: true, seed: SEED })) {
    const [values] = batch as unknown as [{ data(): Promise<ArrayLike<number>> }];
    shuffled.push(...Array.from(await values.data()));
  }
  return {
    "uniform numbers": await digest(uniform),
    "dropout mask": await digest(mask),
    randperm: await digest(order),
    "shuffled batches": await digest(Int32Array.from(shuffled)),
  };
}

async function digest(values: ArrayBufferView): Promise<string> {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength).slice();
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
