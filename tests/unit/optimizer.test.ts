// Optimizers without a GPU: groups, options, state dicts and errors.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DTypeError, ShapeError, WgradError } from "../../src/base/errors.ts";
import { printed } from "../../src/ops/check.ts";
import * as optim from "../../src/optim/index.ts";
import { Tensor, zeros } from "../../src/tensor.ts";
import { expectError } from "../support/failure.ts";

const parameter = (shape: number[] = [2]): Tensor => zeros(shape, { requiresGrad: true });

const groups = suite("parameter groups");

groups("options of a group go before those of the optimizer", () => {
  const optimizer = new optim.SGD([{ params: [parameter()] }, { params: parameter(), lr: 0.5, momentum: 0 }], {
    lr: 0.1,
    momentum: 0.9,
  });
  assert.equal(
    optimizer.paramGroups.map(({ lr, momentum, params }) => [lr, momentum, params.length]),
    [
      [0.1, 0.9, 1],
      [0.5, 0, 1],
    ],
  );
  optimizer.addParamGroup({ params: [parameter(), parameter()], lr: 0.7 });
  assert.equal([optimizer.paramGroups[2]?.lr, optimizer.paramGroups[2]?.momentum], [0.7, 0.9]);
});

groups("PyTorch's defaults", () => {
  const { lr, betas, eps, weightDecay, amsgrad } = new optim.Adam([parameter()]).defaults;
  assert.equal([lr, betas, eps, weightDecay, amsgrad], [1e-3, [0.9, 0.999], 1e-8, 0, false]);
  assert.is(new optim.AdamW([parameter()]).defaults.weightDecay, 0.01);
  assert.is(new optim.AdamW([parameter()], { weightDecay: 0 }).defaults.weightDecay, 0);
  assert.is(new optim.NAdam([parameter()]).defaults.lr, 2e-3);
  assert.is(new optim.RMSprop([parameter()]).defaults.alpha, 0.99);
  assert.is(new optim.Adadelta([parameter()]).defaults.lr, 1);
  assert.equal(new optim.Lion([parameter()]).defaults.betas, [0.9, 0.99]);
});

groups("groups do not share their lists of betas", () => {
  const optimizer = new optim.Adam([{ params: [parameter()] }, { params: [parameter()] }]);
  assert.is.not(optimizer.paramGroups[0]?.betas, optimizer.paramGroups[1]?.betas);
});

groups("zeroGrad", () => {
  const p = parameter();
  p.grad = zeros([2]);
  new optim.SGD([p]).zeroGrad();
  assert.is(p.grad, null);
});

groups("stateDict before the first step, options by PyTorch's names", () => {
  const optimizer = new optim.AdamW([{ params: [parameter(), parameter()] }, { params: [parameter()], lr: 0.5 }]);
  const { state, param_groups } = optimizer.stateDict();
  assert.equal(state, {});
  assert.equal(param_groups[0], {
    lr: 1e-3,
    betas: [0.9, 0.999],
    eps: 1e-8,
    weight_decay: 0.01,
    amsgrad: false,
    maximize: false,
    params: [0, 1],
  });
  assert.equal(param_groups[1]?.params, [2]);
});

groups("loadStateDict takes options, counters and tensors", () => {
  const optimizer = new optim.Adam([parameter()]);
  const dict = optimizer.stateDict();
  const group = { ...dict.param_groups[0], lr: 0.25, weight_decay: 0.5, initial_lr: 2 };
  optimizer.loadStateDict({
    state: { 0: { step: 7, exp_avg: zeros([2]), exp_avg_sq: zeros([2]) } },
    param_groups: [group],
  });
  assert.equal(
    [optimizer.paramGroups[0]?.lr, optimizer.paramGroups[0]?.weightDecay, optimizer.paramGroups[0]?.initialLr],
    [0.25, 0.5, 2],
  );
  const saved = optimizer.stateDict().state[0];
  assert.equal(Object.keys(saved ?? {}), ["step", "exp_avg", "exp_avg_sq"]);
  assert.is(saved?.step, 7);
});

groups.run();

const errors = suite("optimizer errors");

errors("parameters", () => {
  const p = parameter();
  expectError(() => new optim.SGD([]), RangeError, /SGD: the list of parameters is empty/);
  expectError(() => new optim.SGD([{ params: [] }]), RangeError, /the list of parameters is empty/);
  expectError(() => new optim.SGD(p as never), TypeError, /must be a list of tensors or groups/);
  expectError(() => new optim.SGD([p, { params: [parameter()] }] as never), TypeError, /not a mixture/);
  expectError(
    () => new optim.SGD([{ params: [1] }] as never),
    TypeError,
    /a parameter must be a tensor, got the number 1/,
  );
  expectError(() => new optim.SGD([p, p]), WgradError, /shape \[2\] appears twice/);
  expectError(() => new optim.SGD([p]).addParamGroup({ params: p }), WgradError, /appears twice/);
  expectError(() => new optim.SGD([p.mul(2)]), WgradError, /a parameter must be a leaf/);
  expectError(
    () => new optim.SGD([zeros([2], { dtype: "f16", requiresGrad: true })]),
    DTypeError,
    /must be f32, got f16/,
  );
  expectError(() => new optim.Muon([p]), ShapeError, /Muon: takes matrices only, got a parameter of shape \[2\]/);
});

errors("options", () => {
  const p = [parameter()];
  expectError(() => new optim.Adam(p, { lr: -1 }), RangeError, /Adam: lr must be a number ≥ 0, got -1/);
  expectError(() => new optim.AdamW(p, { lr: Number.NaN }), RangeError, /AdamW: lr must be a number ≥ 0, got NaN/);
  expectError(() => new optim.Adam(p, { betas: [0.9, 1] }), RangeError, /betas must be within \[0, 1\)/);
  expectError(() => new optim.Adam(p, { betas: [0.9] as never }), RangeError, /betas must be two numbers/);
  expectError(() => new optim.SGD(p, { nesterov: true }), RangeError, /nesterov needs momentum > 0/);
  expectError(() => new optim.SGD([{ params: p, lr: -2 }]), RangeError, /lr must be a number ≥ 0, got -2/);
  expectError(() => new optim.Adadelta(p, { rho: 2 }), RangeError, /rho must be within/);
  expectError(
    () => new optim.Muon([parameter([2, 2])], { nsSteps: 100 }),
    RangeError,
    /nsSteps must be a whole number below 100/,
  );
  expectError(
    () => new optim.Adam(p, { weight_decay: 1 } as never),
    WgradError,
    /unknown option "weight_decay"\. It takes \{ lr/,
  );
});

errors("state dicts", () => {
  const optimizer = new optim.Adam([parameter()]);
  const { param_groups } = optimizer.stateDict();
  expectError(() => optimizer.loadStateDict({ state: {}, param_groups: [] }), WgradError, /the groups differ/);
  expectError(
    () => optimizer.loadStateDict({ state: { 0: { exp_avg: zeros([3]) } }, param_groups }),
    ShapeError,
    /"exp_avg" of parameter 0 is \[3\] in the state dict, the parameter is \[2\]/,
  );
  expectError(
    () => optimizer.loadStateDict({ state: { 0: { step: zeros([]) } }, param_groups }),
    WgradError,
    /"step" must be a number/,
  );
});

errors("state dicts with any wrong value: nothing is loaded", () => {
  const make = (): optim.NAdam =>
    new optim.NAdam([{ params: [parameter(), parameter([3])] }, { params: parameter([]), lr: 0.5 }]);
  const optimizer = make();
  const good = (): optim.OptimizerStateDict => ({
    state: {
      0: { step: 3, mu_product: 0.5, exp_avg: zeros([2]), exp_avg_sq: zeros([2]) },
      2: { step: 3, mu_product: 0.5, exp_avg: zeros([]), exp_avg_sq: zeros([]) },
    },
    param_groups: make()
      .stateDict()
      .param_groups.map((group) => ({ ...group, initial_lr: 0.25 })),
    skipped: { steps: 1, before: [[{ step: 2, mu_product: 0.6 }], [], []] },
  });
  const text = (): string => JSON.stringify(optimizer.stateDict());
  const before = text();
  const wrongs: unknown[] = [
    "x",
    {},
    [],
    [0.9],
    ["a", "b"],
    -5,
    0.5,
    2,
    true,
    null,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    zeros([2, 2]),
  ];
  // What may be put in the place of a value, by the path to it.
  const takes = (path: string, wrong: unknown): boolean => {
    if (/\.(lr|eps|weight_decay|momentum_decay)$/.test(path))
      return wrong === 0.5 || wrong === 2 || wrong === Number.POSITIVE_INFINITY;
    if (/\.initial_lr$/.test(path)) return typeof wrong === "number" && !Number.isNaN(wrong);
    if (/\.betas\.\d$/.test(path)) return wrong === 0.5;
    if (/\.(maximize|decoupled_weight_decay)$/.test(path)) return wrong === true;
    if (/\.params\.\d$/.test(path)) return path.startsWith(".param_groups.1") && wrong === 2;
    if (/\.step$/.test(path)) return wrong === 2;
    if (/\.mu_product$/.test(path)) return typeof wrong === "number" && Number.isFinite(wrong);
    if (/\.exp_avg(_sq)?$/.test(path)) return wrong === null || typeof wrong === "number";
    if (/^\.skipped\.steps$/.test(path)) return wrong === 2;
    if (/^\.state$/.test(path)) return printed(wrong) === "an object";
    if (/^\.state\.\d$/.test(path)) return printed(wrong) === "an object";
    if (/^\.skipped\.before\.\d$/.test(path)) return printed(wrong) === "[]";
    if (/^\.skipped\.before\.\d\.\d$/.test(path)) return printed(wrong) === "an object";
    return false;
  };
  let tried = 0;
  const visit = (value: unknown, path: readonly string[]): void => {
    if (path.length > 0) {
      for (const wrong of wrongs) {
        const where = `.${path.join(".")}`;
        if (takes(where, wrong)) continue;
        const state = good();
        let at = state as unknown as Record<string, unknown>;
        for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>;
        at[path.at(-1) as string] = wrong;
        const isRight = (e: unknown): boolean =>
          e instanceof WgradError || e instanceof RangeError || e instanceof TypeError;
        assert.throws(() => optimizer.loadStateDict(state), isRight, `${where} = ${printed(wrong)}`);
        assert.is(text(), before, where);
        tried++;
      }
    }
    if (typeof value !== "object" || value === null || value instanceof Tensor) return;
    for (const [key, member] of Object.entries(value)) visit(member, [...path, key]);
  };
  visit(good(), []);
  assert.ok(tried > 400, `${tried}`);
  optimizer.loadStateDict(good());
  assert.equal(optimizer.stateDict().state[0]?.step, 3);
});

errors("state dicts: what is wrong is said", () => {
  const optimizer = new optim.Adam([parameter()]);
  const [group] = optimizer.stateDict().param_groups;
  const loads = (change: object) => (): void =>
    optimizer.loadStateDict({ state: {}, param_groups: [{ ...group, ...change }] });
  expectError(
    loads({ lr: "x" }),
    WgradError,
    /^Adam\.loadStateDict: lr must be a value like 0\.001, got "x"\. Nothing was loaded\.$/,
  );
  expectError(loads({ betas: [0.9] }), WgradError, /betas must be a value like \[0\.9, 0\.999\], got \[0\.9\]/);
  expectError(loads({ betas: [0.9, 1] }), RangeError, /betas must be within \[0, 1\), got 1/);
  expectError(loads({ lr: -1 }), RangeError, /lr must be a number ≥ 0, got -1/);
  expectError(
    () => optimizer.loadStateDict({ state: { 0: { step: -5 } }, param_groups: [group ?? {}] }),
    WgradError,
    /"step" in the state of parameter 0 must be a whole number ≥ 0, got -5/,
  );
  for (const nothing of [null, undefined, 1, [], zeros([2])])
    expectError(() => optimizer.loadStateDict(nothing as never), TypeError, /takes what stateDict\(\) returns/);
  // None of PyTorch: the optimizer's own choice.
  const muon = new optim.Muon([parameter([2, 2])]);
  const [saved] = muon.stateDict().param_groups;
  muon.loadStateDict({ state: {}, param_groups: [{ ...saved, adjust_lr_fn: null }] });
  assert.is(muon.paramGroups[0]?.adjustLrFn, "original");
});

errors.run();
