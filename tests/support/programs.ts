// Ported programs next to PyTorch: the weights, data and random numbers of a golden run, and its losses and results (tests/reference/programs.py).

import * as assert from "uvu/assert";
import { sizeOf } from "../../src/base/shape.ts";
import * as wg from "../../src/index.ts";
import { type Compared, loadGolden, mismatch } from "../reference/golden.ts";
import { near } from "./golden-training.ts";

interface Content {
  /** State dicts before training, by the model's name, by array numbers. */
  states: Record<string, Record<string, number>>;
  /** What the program is given, random numbers included, by array numbers. */
  data: Record<string, number>;
  /** Numbers that the program writes down as it goes, such as its losses. */
  curves: Record<string, number[]>;
  /** Tensors that it computes. */
  results: Record<string, Compared>;
}

/** How far a loss may be from PyTorch's, times max(1, |loss|). */
const TOLERANCE = 1e-5;

/** What PyTorch recorded of one program. */
export interface ProgramRecord {
  /** Gives a model the weights that PyTorch's began with, and returns it. */
  load<M extends wg.nn.Module>(model: M, name?: string): M;
  /** Something the program is given, as a new tensor. */
  data(name: string): wg.Tensor;
  /** Something the program is given step by step: a new tensor for each. */
  steps(name: string): wg.Tensor[];
  /** Demands that numbers which the program wrote down are PyTorch's. */
  follows(name: string, got: readonly number[]): void;
  /** Demands that a tensor is PyTorch's, within four times the error of its own f32 and `extra`. */
  near(name: string, got: wg.Tensor, extra?: number): Promise<void>;
}

/** Reads the golden file of a program. */
export function loadProgram(program: string): ProgramRecord {
  const golden = loadGolden<Content>(`program-${program}`);
  const { states, data, curves, results } = golden.content;
  const tensorOf = (number: number): wg.Tensor => {
    const array = golden.array(number);
    return wg.tensor(array.data, { shape: array.shape, dtype: array.dtype });
  };
  const stepsOf = (number: number): wg.Tensor[] => {
    const { data, shape, dtype } = golden.array(number);
    const [count = 0, ...rest] = shape;
    const size = sizeOf(rest);
    return Array.from({ length: count }, (_, step) =>
      wg.tensor(data.subarray(step * size, (step + 1) * size), { shape: rest, dtype }),
    );
  };
  return {
    load(model, name = "model") {
      const state = Object.entries(find(states, name)).map(([key, number]) => [key, tensorOf(number)] as const);
      model.loadStateDict(Object.fromEntries(state));
      return model;
    },
    data: (name) => tensorOf(find(data, name)),
    steps: (name) => stepsOf(find(data, name)),
    follows(name, got) {
      const expected = find(curves, name);
      assert.is(got.length, expected.length, `${name}: how many there are`);
      for (const [step, value] of expected.entries()) {
        const tolerance = TOLERANCE * Math.max(1, Math.abs(value));
        const problem = mismatch(got.slice(step, step + 1), [value], tolerance, 0);
        if (problem !== null) assert.unreachable(`${name} of step ${step}: ${problem}`);
      }
    },
    near: (name, got, extra = 0) => near(got, golden, find(results, name), name, extra),
  };

  function find<T>(among: Record<string, T>, name: string): T {
    const found = among[name];
    if (found === undefined) throw new RangeError(`program-${program}: there is no ${name}`);
    return found;
  }
}

/** The values of scalars that were collected on the way. */
export async function numbers(scalars: readonly wg.Tensor[]): Promise<number[]> {
  const values: number[] = [];
  for (const scalar of scalars) values.push(Number(await scalar.item()));
  return values;
}
