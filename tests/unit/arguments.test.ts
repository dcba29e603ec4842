// Wrong arguments in the places of required ones: the error is named after what was called, and is none of JavaScript's own.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as amp from "../../src/amp.ts";
import { fit } from "../../src/fit.ts";
import * as io from "../../src/io/index.ts";
import * as metrics from "../../src/metrics/index.ts";
import * as nn from "../../src/nn/index.ts";
import * as ops from "../../src/ops/methods.ts";
import * as optim from "../../src/optim/index.ts";
import { type Tensor, tensor, zeros } from "../../src/tensor.ts";
import { expectError } from "../support/failure.ts";

type Callable = (...args: unknown[]) => unknown;
const x = (): Tensor =>
  tensor([
    [1, 2],
    [3, 4],
  ]);
const optimizer = (): optim.SGD => new optim.SGD([zeros([2], { requiresGrad: true })], { lr: 0.1, momentum: 0.9 });

/** Arguments that hardly anything takes. */
const WRONG: Record<string, () => unknown[]> = {
  nothing: () => [],
  "an object": () => [{ a: 1 }],
  null: () => [null],
  "a word": () => ["x"],
  "a number and an object": () => [2, { a: 1 }],
  "a list and an object": () => [[1], { a: 1 }],
  "a tensor": () => [x()],
  "a tensor and an object": () => [x(), { a: 1 }],
  "a tensor and null": () => [x(), null],
  "a tensor and a word": () => [x(), "x"],
  "two tensors and an object": () => [x(), x(), { a: 1 }],
  "a tensor, a number and an object": () => [x(), 1, { a: 1 }],
};

/** What JavaScript says of itself when a value is not what the code takes it for. */
const RAW =
  /not iterable|Cannot (read|convert|destructure|use|create)|is not a (function|constructor)|Invalid array|internal|\bNaN\b/;

const tests = suite("required arguments");

const rooms: Record<string, object> = {
  ops,
  nn,
  "nn.init": nn.init,
  "nn.utils": nn.utils,
  optim,
  "optim.lr": optim.lr,
  metrics,
  amp,
  io,
  fit: { fit },
};
/** Bases that nobody calls, a helper that is told the name of its caller. */
const ASIDE = new Set(["Optimizer", "LRScheduler", "fans"]);

for (const [room, all] of Object.entries(rooms)) {
  tests(`${room}: errors are named`, async () => {
    let refused = 0;
    for (const [name, member] of Object.entries(all) as [string, Callable][]) {
      if (typeof member !== "function" || ASIDE.has(name)) continue;
      const isClass = /^class/.test(Function.prototype.toString.call(member));
      for (const [what, args] of Object.entries(WRONG)) {
        const given = room === "optim.lr" && what !== "nothing" ? [optimizer(), ...args()] : args();
        try {
          await (isClass ? new (member as unknown as new (...args: unknown[]) => unknown)(...given) : member(...given));
        } catch (error) {
          const { message } = error as Error;
          assert.match(message, /^[\w.-]+(\(.*\))?: /, `${room}.${name} of ${what}: ${message}`);
          assert.not.match(message, RAW, `${room}.${name} of ${what}`);
          refused++;
        }
      }
    }
    assert.ok(refused > 5, `${refused}`);
  });
}

tests("the argument that is of the wrong kind is named, before what is missing behind it", () => {
  const { OneCycleLR, MultiStepLR, LambdaLR, SequentialLR } = optim.lr;
  const untyped = (value: unknown): never => value as never;
  const made = (run: () => unknown, words: RegExp, kind: typeof RangeError | typeof TypeError = TypeError): void =>
    expectError(run, kind, words);
  made(
    () => new OneCycleLR(optimizer(), untyped({ maxLr: 1, totalSteps: 9 })),
    /^OneCycleLR: maxLr must be a number or one for each of the 1 groups, got an object/,
    RangeError,
  );
  made(() => new OneCycleLR(optimizer(), 1), /^OneCycleLR: needs totalSteps/, RangeError);
  made(
    () => new MultiStepLR(optimizer(), untyped({ milestones: [1] })),
    /^MultiStepLR: milestones must be a list, got an object/,
  );
  made(
    () => new LambdaLR(optimizer(), untyped({})),
    /^LambdaLR: lrLambda must be a function, .* got an object/,
    RangeError,
  );
  made(() => new SequentialLR(optimizer(), untyped({}), []), /^SequentialLR: schedulers must be a list, got an object/);
  made(() => new optim.AdamW([zeros([2])], untyped(0.1)), /^AdamW: optional arguments go in one options object/);
  made(
    () => new nn.Conv2d(1, 2, untyped({ kernelSize: 3 })),
    /^Conv2d: kernelSize must be a number or a list of numbers, got an object/,
  );
  made(
    () => new nn.LayerNorm(untyped(undefined)),
    /^LayerNorm: normalizedShape must be a number or a list of numbers, got nothing/,
  );
  made(
    () => new nn.MaxPool2d(untyped({ kernelSize: 2 })),
    /^MaxPool2d: kernelSize must be a number or a list of numbers, got an object/,
  );
  made(
    () => new nn.AdaptiveAvgPool1d(0),
    /^AdaptiveAvgPool1d: outputSize must be a whole number ≥ 1, got 0/,
    RangeError,
  );
  made(() => new nn.Softmax(untyped({ dim: 1 })), /^Softmax: dim must be a whole number, got an object/, RangeError);
  made(() => new nn.Upsample({}), /^Upsample: needs size or scaleFactor/, RangeError);
  made(
    () => new nn.TransformerEncoder(untyped({ dModel: 4 }), 2),
    /^TransformerEncoder: the first argument must be a layer, got an object/,
  );
  made(() => (ops.mul as unknown as Callable)(x()), /^mul: each operand must be a tensor, got nothing/);
  made(() => (ops.maximum as unknown as Callable)(x()), /^maximum: each operand must be a tensor, got nothing/);
});

tests.run();
