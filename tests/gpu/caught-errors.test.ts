// Errors that are caught stay caught: no promise is left behind whose rejection nobody hears.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { ShaderError } from "../../src/base/errors.ts";
import {
  amp,
  checkGradients,
  checkpoint,
  customKernel,
  fit,
  init,
  mseLoss,
  nn,
  noGrad,
  ones,
  optim,
  profile,
  scope,
  type Tensor,
  tensor,
  tune,
  valueAndGrad,
} from "../../src/index.ts";
import { failure } from "../support/failure.ts";

const device = await init();
const timed = device.gpu.features.has("timestamp-query");

/** Reasons of rejections that nobody handled while `run` ran, and a little longer. */
async function unheard(run: () => Promise<unknown>): Promise<unknown[]> {
  const reasons: unknown[] = [];
  const note = (reason: unknown): void => {
    reasons.push(reason);
  };
  const noteEvent = (event: Event & { reason?: unknown }): void => {
    event.stopImmediatePropagation();
    event.preventDefault();
    note(event.reason);
  };
  const inNode = globalThis.process !== undefined;
  if (inNode) process.on("unhandledRejection", note);
  else addEventListener("unhandledrejection", noteEvent, { capture: true });
  await run();
  await new Promise((resolve) => setTimeout(resolve, 20));
  if (inNode) process.off("unhandledRejection", note);
  else removeEventListener("unhandledrejection", noteEvent, { capture: true });
  return reasons;
}

const reason = new Error("on purpose");
const broken = (x: Tensor): Tensor =>
  customKernel({
    name: "broken",
    inputs: { x },
    outputs: { shape: x.shape },
    workgroups: 1,
    wgsl: "out[index] = x[index] + nothing;",
  });

/** Functions that fail: at once, before and after their first await, with a promise of their own, in a read. */
const failing: Record<string, (x?: Tensor) => never> = {
  "throws at once": () => {
    throw reason;
  },
  "is async and throws at once": (async () => {
    throw reason;
  }) as never,
  "is async and throws after its first await": (async () => {
    await undefined;
    throw reason;
  }) as never,
  "returns a promise that is rejected later": (() =>
    new Promise((_, reject) => setTimeout(() => reject(reason), 5))) as never,
  "returns a thenable that is rejected": (() => ({
    // biome-ignore lint/suspicious/noThenProperty: a promise of another kind.
    then: (_: unknown, reject: (error: unknown) => void) => reject(reason),
  })) as never,
  "returns a read that fails": (() =>
    broken(tensor([1, 2]))
      .sum()
      .item()) as never,
  "awaits a read that fails": (async () => {
    await tensor([1, 2]).item();
  }) as never,
  "returns no tensor": (() => "nothing") as never,
};

const x = (): Tensor => tensor([1, 2], { requiresGrad: true });
const data = (): [Tensor, Tensor][] => [[ones([2, 3]), ones([2, 1])]];

/** What takes functions, and calls each. */
const callers: Record<string, (fn: (x?: Tensor) => never) => unknown> = {
  checkpoint: (fn) => checkpoint(fn, x()),
  noGrad,
  scope,
  "amp.autocast": (fn) => amp.autocast("f32", fn),
  "GradScaler.scale": (fn) => new amp.GradScaler().scale(fn()),
  valueAndGrad: (fn) => valueAndGrad(fn)(x()),
  checkGradients: (fn) => checkGradients(fn, [tensor([1, 2])]),
  "fit (loss)": (fn) => {
    const model = new nn.Linear(3, 1);
    return fit(model, {
      train: data(),
      loss: fn,
      optimizer: new optim.SGD(model.parameters(), { lr: 0.1 }),
      epochs: 1,
    });
  },
  "fit (validation loss)": (fn) => {
    const model = new nn.Linear(3, 1);
    const loss = (a: Tensor, b: Tensor): Tensor => (model.training ? mseLoss(a, b) : fn());
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
    return fit(model, { train: data(), validation: data(), loss, optimizer, epochs: 1 });
  },
  "fit (model)": (fn) => {
    const model = new nn.Linear(3, 1);
    model.forward = fn;
    return fit(model, {
      train: data(),
      loss: mseLoss,
      optimizer: new optim.SGD(model.parameters(), { lr: 0.1 }),
      epochs: 1,
    });
  },
  "fit (callback)": (fn) => {
    const model = new nn.Linear(3, 1);
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
    const stop = fn as unknown as () => void;
    return fit(model, { train: data(), loss: mseLoss, optimizer, epochs: 1, callbacks: { onStep: stop } });
  },
  ...(timed ? { profile, tune: (fn: () => unknown) => tune(fn, { budgetMs: 0, keep: false }) } : {}),
};

/** What is no failure: a value is passed on. */
const passed = /^(checkpoint|noGrad|scope|amp.autocast|profile|tune|fit \(callback\)) returns no tensor$/;

for (const [name, call] of Object.entries(callers)) {
  test(`${name}: what is caught of a function that fails stays caught`, async () => {
    for (const [how, fn] of Object.entries(failing)) {
      const reasons = await unheard(async () => {
        if (passed.test(`${name} ${how}`)) await call(fn);
        else await failure(() => call(fn));
      });
      assert.equal(reasons.map(String), [], `a function that ${how}`);
    }
  });
}

if (timed) {
  test("profile and tune reject with the ShaderError of what is run", async () => {
    for (const run of [profile, (fn: () => unknown) => tune(fn, { budgetMs: 0, keep: false })]) {
      const error = await failure(() => run(() => [broken(tensor([1, 2, 3])).mul(2)]));
      assert.instance(error, ShaderError);
      assert.match(error.message, /broken.*line 1, column \d+.*nothing/s);
      const state = tensor([1, 2, 3]);
      assert.instance(await failure(() => run(() => void state.assign(broken(state)))), ShaderError);
    }
    // The next one is none the worse for it.
    assert.ok((await profile(() => ones([300]).mul(2).exp())).kernels.length > 0);
  });
}

test.run();
