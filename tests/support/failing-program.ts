// Random programs some of whose jobs fail: shaders that do not compile, and what memory has no room for.

import { add, customKernel, nn, noGrad, optim, rand, type Tensor, tensor } from "../../src/index.ts";
import { Dice } from "./random-program.ts";

/** A function of each element, on tensors and on numbers. */
interface Each {
  readonly name: string;
  readonly on: (x: Tensor) => Tensor;
  readonly of: (x: number) => number;
}

/** A tensor that is read, and what must be found there. */
interface Looked {
  readonly name: string;
  readonly x: Tensor;
  readonly expected: readonly number[];
  /** Whether an error that tells of a failed job will do as well: it is an old value, or made of what failed. */
  readonly mayFail: boolean;
}

const EACH: readonly Each[] = [
  { name: "tanh", on: (x) => x.tanh(), of: Math.tanh },
  { name: "sin", on: (x) => x.sin(), of: Math.sin },
  { name: "cos", on: (x) => x.cos(), of: Math.cos },
  { name: "square", on: (x) => x.square(), of: (x) => x * x },
  { name: "sigmoid", on: (x) => x.sigmoid(), of: (x) => 1 / (1 + Math.exp(-x)) },
  { name: "abs", on: (x) => x.abs(), of: Math.abs },
];
const TELLING = ["ShaderError", "OutOfMemoryError", "StaleTensorError"];

let count = 0;

/** A kernel that does not compile, each time with another text. */
export function broken(x: Tensor): Tensor {
  count++;
  const wgsl = `out[index] = x[index] + nothing${count};`;
  return customKernel({ name: `broken ${count}`, inputs: { x }, outputs: { shape: x.shape }, workgroups: 1, wgsl });
}

/** A function that the device has probably not seen: its shader must be compiled while others wait. */
function composed(dice: Dice): Each {
  const parts = Array.from({ length: 1 + dice.below(4) }, () => dice.pick(EACH));
  return {
    name: parts.map(({ name }) => name).join(" "),
    on: (x) => parts.reduce((y, { on }) => on(y), x),
    of: (x) => parts.reduce((y, { of }) => of(y), x),
  };
}

/** What is wrong after a program with `seed`; with the number of bytes that is too much, where memory has a limit. */
export async function misbehaviour(seed: number, tooMuch: number | null): Promise<string[]> {
  const dice = new Dice(seed);
  const values = Array.from({ length: 5 }, (_, i) => [i + 1, i + 2, i + 3].map((x) => x / 10));
  const cells = values.map((numbers, i) => (i < 3 ? tensor(numbers) : nn.parameter(tensor(numbers))));
  const [p, q] = cells.slice(3) as [Tensor, Tensor];
  const optimizer = new optim.SGD([p, q], { lr: 0.5 });
  const log: string[] = [];
  const wrong: string[] = [];
  const kept: Looked[] = [];
  const reads: Promise<void>[] = [];
  const look = ({ name, x, expected, mayFail }: Looked): void => {
    const right = (numbers: ArrayLike<number>): void => {
      const near = expected.every((n, k) => Math.abs((numbers[k] as number) - n) <= 1e-4);
      if (!near) wrong.push(`${name}: got [${Array.from(numbers)}], must be [${expected}]`);
    };
    const told = (error: Error): void => {
      if (!mayFail || !TELLING.includes(error.name)) wrong.push(`${name}: ${error}`);
    };
    reads.push(x.data().then(right, told));
  };
  const act = (): void => {
    const [i, k] = [dice.below(5), dice.below(5)];
    const [x, y] = [cells[i] as Tensor, cells[k] as Tensor];
    const [mine, other] = [values[i] as number[], values[k] as number[]];
    const f = composed(dice);
    const kind = dice.below(10);
    if (kind < 4) {
      log.push(`${i} += ${f.name} of ${k}`);
      noGrad(() => x.assign(f.on(y).add(x)));
      values[i] = mine.map((n, c) => f.of(other[c] as number) + n);
      void x.realize();
    } else if (kind < 6) {
      log.push(`${i} is broken`);
      noGrad(() => {
        if (dice.below(2) === 0) y.assign(f.on(y));
        x.assign(broken(y));
      });
      if (dice.below(3) === 0)
        kept.push({ name: `what is broken, ${i}`, x: x.mul(2), expected: mine.map((n) => 2 * n), mayFail: true });
      void x.realize();
    } else if (kind < 7) {
      log.push("step");
      add(p.square(), q.square()).sum().backward();
      if (dice.below(3) === 0) {
        log.push("(broken)");
        q.grad = broken(q.grad as Tensor);
      } else for (const c of [3, 4]) values[c] = (values[c] as number[]).map((n) => n - n);
      optimizer.step();
      optimizer.zeroGrad();
    } else if (kind < 8) {
      log.push(`${f.name} of ${i} is kept`);
      const x3 = noGrad(() => f.on(x).mul(3));
      kept.push({ name: `${f.name} of ${i}`, x: x3, expected: mine.map((n) => 3 * f.of(n)), mayFail: true });
    } else if (kind < 9) {
      log.push(`${i} is read`);
      look({ name: `${i} on the way`, x, expected: mine, mayFail: true });
    } else if (tooMuch !== null) {
      log.push(`${i} is too large`);
      noGrad(() =>
        x.assign(
          x.add(
            rand([tooMuch / 4])
              .add(x.sum())
              .sort()
              .values.slice([0, 3]),
          ),
        ),
      );
      void x.realize();
    }
  };
  const jobs = 3 + dice.below(8);
  for (let job = 0; job < jobs; job++) {
    act();
    if (dice.below(12) > 0) continue;
    log.push("a while");
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  await Promise.all(reads.splice(0));
  // Whoever reads next hears of what nobody has read.
  for (let i = 0; i < 4; i++)
    await tensor([1])
      .add(i)
      .data()
      .catch(() => undefined);
  for (const looked of kept) look(looked);
  cells.forEach((x, i) => {
    look({ name: `${i} in the end`, x, expected: values[i] as number[], mayFail: false });
  });
  await Promise.all(reads);
  return wrong.length === 0 ? [] : [`seed ${seed}: ${log.join("; ")}`, ...wrong];
}
