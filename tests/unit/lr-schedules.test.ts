// Learning-rate schedules against PyTorch's numbers, their state dicts and their errors.

import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { WgradError } from "../../src/base/errors.ts";
import * as optim from "../../src/optim/index.ts";
import {
  CosineAnnealingLR,
  CosineAnnealingWarmRestarts,
  ExponentialLR,
  LambdaLR,
  LinearLR,
  type LRScheduler,
  MultiStepLR,
  OneCycleLR,
  ReduceLROnPlateau,
  type ScheduledGroup,
  SequentialLR,
  StepLR,
} from "../../src/optim/lr.ts";
import { zeros } from "../../src/tensor.ts";
import { expectError } from "../support/failure.ts";

interface Group extends ScheduledGroup {
  momentum?: number;
  betas?: number[];
}

interface FakeOptimizer {
  paramGroups: Group[];
  defaults: object;
}

function sgd(): FakeOptimizer {
  const group = { momentum: 0.9 };
  return {
    paramGroups: [
      { ...group, lr: 0.5 },
      { ...group, lr: 0.1 },
    ],
    defaults: { lr: 0.1, ...group },
  };
}

function adam(): FakeOptimizer {
  const betas = (): number[] => [0.9, 0.999];
  return {
    paramGroups: [
      { lr: 0.5, betas: betas() },
      { lr: 0.1, betas: betas() },
    ],
    defaults: { lr: 0.1, betas: betas() },
  };
}

type Schedule = LRScheduler | ReduceLROnPlateau | SequentialLR;
type Arguments = [never, never];

function make(name: string, optimizer: FakeOptimizer, args: unknown[], options: object): Schedule {
  const schedules = {
    StepLR,
    MultiStepLR,
    ExponentialLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    LinearLR,
    OneCycleLR,
    ReduceLROnPlateau,
  };
  if (name === "LambdaLR") return new LambdaLR(optimizer, (epoch) => 0.95 ** epoch);
  if (name === "SequentialLR") {
    const parts = [
      new LinearLR(optimizer, { startFactor: 0.1, totalIters: 4 }),
      new CosineAnnealingLR(optimizer, 8),
      new ExponentialLR(optimizer, 0.9),
    ];
    return new SequentialLR(optimizer, parts, [4, 12]);
  }
  const Class = schedules[name as keyof typeof schedules];
  return new Class(optimizer, ...([...args, options] as unknown as Arguments));
}

function row(optimizer: FakeOptimizer): number[] {
  const momenta = optimizer.paramGroups.map((group) => group.momentum ?? group.betas?.[0] ?? Number.NaN);
  return [...optimizer.paramGroups.map((group) => group.lr), ...momenta];
}

function advance(schedule: Schedule, metric: number): void {
  if (schedule instanceof ReduceLROnPlateau) schedule.step(metric);
  else schedule.step();
}

interface Golden {
  metrics: number[];
  cases: { optimizer: string; name: string; arguments: unknown[]; options: object; rows: number[][] }[];
}

const golden = JSON.parse(readFileSync("tests/reference/data/schedules.json", "utf8")) as Golden;
const pytorch = suite("schedules as PyTorch");

function near(actual: number[], expected: number[], where: string): void {
  assert.is(actual.length, expected.length, where);
  actual.forEach((value, i) => {
    const difference = Math.abs(value - (expected[i] ?? Number.NaN));
    assert.ok(difference <= 1e-12, `${where}: got ${actual}, expected ${expected}`);
  });
}

for (const { optimizer: kind, name, arguments: args, options, rows } of golden.cases) {
  const title = `${name}(${[kind, ...args].join(", ")}) ${JSON.stringify(options)}`;
  const start = (): FakeOptimizer => (kind === "SGD" ? sgd() : adam());

  pytorch(title, () => {
    const optimizer = start();
    const schedule = make(name, optimizer, args, options);
    rows.forEach((expected, epoch) => {
      if (epoch > 0) advance(schedule, golden.metrics[epoch - 1] ?? 0);
      near(row(optimizer), expected, `epoch ${epoch}`);
    });
    near(
      schedule.getLastLr(),
      optimizer.paramGroups.map((group) => group.lr),
      "getLastLr",
    );
  });

  pytorch(`${title}, resumed from a state dict`, () => {
    const optimizer = start();
    const schedule = make(name, optimizer, args, options);
    for (let epoch = 0; epoch < 7; epoch++) advance(schedule, golden.metrics[epoch] ?? 0);
    const state = JSON.parse(JSON.stringify(schedule.stateDict())) as Record<string, unknown>;
    const resumed = start();
    const copy = make(name, resumed, args, options);
    resumed.paramGroups.forEach((group, i) => {
      Object.assign(group, optimizer.paramGroups[i]);
    });
    copy.loadStateDict(state);
    for (let epoch = 7; epoch < rows.length - 1; epoch++) {
      advance(copy, golden.metrics[epoch] ?? 0);
      near(row(resumed), rows[epoch + 1] ?? [], `epoch ${epoch + 1}`);
    }
  });
}

pytorch("state dicts carry PyTorch's names", () => {
  const state = new CosineAnnealingLR(sgd(), 10).stateDict();
  assert.equal(state, {
    T_max: 10,
    eta_min: 0,
    base_lrs: [0.5, 0.1],
    last_epoch: 0,
    _step_count: 1,
    _last_lr: [0.5, 0.1],
  });
});

pytorch("warm restarts take fractions of epochs", () => {
  const optimizer = sgd();
  const schedule = new CosineAnnealingWarmRestarts(optimizer, 4, { TMult: 2 });
  schedule.step(2);
  near(row(optimizer).slice(0, 2), [0.25, 0.05], "half way");
  schedule.step(4.5);
  near([row(optimizer)[0] ?? 0], [(0.5 * (1 + Math.cos((Math.PI * 0.5) / 8))) / 2], "after the restart");
});

pytorch("a rate changed by hand lasts", () => {
  const optimizer = sgd();
  const schedule = new ExponentialLR(optimizer, 0.5);
  for (const group of optimizer.paramGroups) group.lr = 8;
  schedule.step();
  assert.equal(row(optimizer).slice(0, 2), [4, 4]);
});

pytorch.run();

/** A real optimizer with the groups of the made-up ones. */
function real(kind: string): FakeOptimizer {
  const groups = [0.5, 0.1].map((lr) => ({ params: [zeros([2], { requiresGrad: true })], lr }));
  const optimizer = kind === "SGD" ? new optim.SGD(groups, { lr: 0.1, momentum: 0.9 }) : new optim.Adam(groups);
  return optimizer as unknown as FakeOptimizer;
}

interface Saved {
  readonly optimizer: never;
  readonly schedule: Record<string, unknown>;
}

type Make = (optimizer: FakeOptimizer) => Schedule;
const load = (optimizer: FakeOptimizer, { optimizer: state }: Saved): void =>
  (optimizer as unknown as optim.SGD).loadStateDict(state);

/** Orders in which optimizer and schedule are made and loaded. */
const ORDERS: Record<string, (start: () => FakeOptimizer, make: Make, saved: Saved) => [FakeOptimizer, Schedule]> = {
  "both made, optimizer loaded, schedule loaded": (start, make, saved) => {
    const optimizer = start();
    const schedule = make(optimizer);
    load(optimizer, saved);
    schedule.loadStateDict(saved.schedule);
    return [optimizer, schedule];
  },
  "both made, schedule loaded, optimizer loaded": (start, make, saved) => {
    const optimizer = start();
    const schedule = make(optimizer);
    schedule.loadStateDict(saved.schedule);
    load(optimizer, saved);
    return [optimizer, schedule];
  },
  "optimizer made and loaded, schedule made and loaded": (start, make, saved) => {
    const optimizer = start();
    load(optimizer, saved);
    const schedule = make(optimizer);
    schedule.loadStateDict(saved.schedule);
    return [optimizer, schedule];
  },
  "both made, schedule alone loaded": (start, make, saved) => {
    const optimizer = start();
    const schedule = make(optimizer);
    schedule.loadStateDict(saved.schedule);
    return [optimizer, schedule];
  },
};

const resuming = suite("schedules that go on");

for (const { optimizer: kind, name, arguments: args, options, rows } of golden.cases) {
  const title = `${name}(${[kind, ...args].join(", ")}) ${JSON.stringify(options)}`;

  resuming(`${title}: whatever is made and loaded first, rates and momenta go on as without a break`, () => {
    const create: Make = (optimizer) => make(name, optimizer, args, options);
    for (const [order, resume] of Object.entries(ORDERS)) {
      for (const at of [0, 3, 8, rows.length - 2]) {
        const optimizer = real(kind);
        const schedule = create(optimizer);
        for (let epoch = 0; epoch < at; epoch++) advance(schedule, golden.metrics[epoch] ?? 0);
        const state = { optimizer: optimizer as unknown as optim.SGD, schedule };
        const saved = JSON.parse(
          JSON.stringify({ optimizer: state.optimizer.stateDict(), schedule: schedule.stateDict() }),
        ) as Saved;
        const [resumed, copy] = resume(() => real(kind), create, saved);
        assert.equal(row(resumed), row(optimizer), `${order}, after epoch ${at}`);
        for (let epoch = at; epoch < rows.length - 1; epoch++) {
          advance(schedule, golden.metrics[epoch] ?? 0);
          advance(copy, golden.metrics[epoch] ?? 0);
          assert.equal(row(resumed), row(optimizer), `${order}, loaded after epoch ${at}, epoch ${epoch + 1}`);
        }
        assert.equal(copy.stateDict(), schedule.stateDict());
      }
    }
  });

  resuming(`${title}: a state with a wrong or missing value is refused, and nothing changes`, () => {
    const optimizer = real(kind);
    const schedule = make(name, optimizer, args, options);
    const other = make(name, real(kind), args, options);
    for (let epoch = 0; epoch < 3; epoch++) advance(other, golden.metrics[epoch] ?? 0);
    const state = JSON.parse(JSON.stringify(other.stateDict())) as Record<string, unknown>;
    const before = JSON.stringify([schedule.stateDict(), row(optimizer)]);
    const refused = (wrong: unknown, what: string): void => {
      assert.throws(
        () => schedule.loadStateDict(wrong as never),
        (e: unknown) => e instanceof WgradError,
        what,
      );
      assert.is(JSON.stringify([schedule.stateDict(), row(optimizer)]), before, what);
    };
    for (const key of Object.keys(state)) {
      const { [key]: value, ...rest } = state;
      refused(rest, `no ${key}`);
      const kindOf = typeof value;
      const wrongs = ["x", {}, [], -7, 0.5, null, undefined, true, Number.NaN, [Number.NaN], ["0.1", "0.1"]];
      for (const wrong of wrongs) {
        // What is right somewhere, too: rates need not be positive, and null is infinity in JSON.
        if (typeof wrong === kindOf && (kindOf === "boolean" || (kindOf === "number" && !Number.isNaN(wrong))))
          continue;
        if (key === "best" && (wrong === null || wrong === undefined)) continue;
        if (key === "milestones" && name === "MultiStepLR" && String(wrong) === "") continue;
        refused({ ...state, [key]: wrong }, `${key} = ${JSON.stringify(wrong)}`);
      }
    }
    for (const [key, wrong] of [
      ["last_epoch", -7],
      ["_step_count", 0.5],
      ["step_size", 0],
      ["T_max", 0],
      ["T_i", 0],
    ] as const)
      if (key in state) refused({ ...state, [key]: wrong }, `${key} = ${wrong}`);
  });
}

resuming("a rate that was changed by hand lasts through saving and loading", () => {
  const [optimizer, copy] = [real("SGD"), real("SGD")];
  const schedule = new ExponentialLR(optimizer, 0.5);
  schedule.step();
  for (const group of optimizer.paramGroups) group.lr = 8;
  const resumed = new ExponentialLR(copy, 0.5);
  load(copy, { optimizer: (optimizer as unknown as optim.SGD).stateDict() as never, schedule: {} });
  resumed.loadStateDict(schedule.stateDict());
  resumed.step();
  assert.equal(row(copy).slice(0, 2), [4, 4]);
});

resuming("of two schedules of one optimizer the second one's rates are taken", () => {
  const both = (optimizer: FakeOptimizer): LRScheduler[] => [
    new LinearLR(optimizer, { startFactor: 0.25, totalIters: 4 }),
    new ExponentialLR(optimizer, 0.9),
  ];
  const [optimizer, copy] = [real("SGD"), real("SGD")];
  const schedules = both(optimizer);
  for (let i = 0; i < 3; i++) for (const schedule of schedules) schedule.step();
  load(copy, { optimizer: (optimizer as unknown as optim.SGD).stateDict() as never, schedule: {} });
  const resumed = both(copy);
  resumed.forEach((schedule, i) => {
    schedule.loadStateDict(schedules[i]?.stateDict() ?? {});
  });
  for (let i = 0; i < 3; i++) {
    assert.equal(row(copy), row(optimizer));
    for (const schedule of [...schedules, ...resumed]) schedule.step();
  }
});

resuming.run();

const errors = suite("schedule errors");

const throwsRange = (run: () => unknown, pattern: RegExp): void => expectError(run, RangeError, pattern);

errors("arguments", () => {
  throwsRange(() => new StepLR(sgd(), 0), /StepLR: stepSize must be a whole number ≥ 1, got 0/);
  throwsRange(() => new ExponentialLR(sgd(), Number.NaN), /ExponentialLR: gamma must be a finite number, got NaN/);
  throwsRange(() => new MultiStepLR(sgd(), [1.5]), /MultiStepLR: every milestone must be a whole number/);
  throwsRange(() => new CosineAnnealingLR(sgd(), -1), /CosineAnnealingLR: TMax/);
  throwsRange(() => new LinearLR(sgd(), { startFactor: 0 }), /LinearLR: startFactor must be within \(0, 1\], got 0/);
  throwsRange(
    () => new LambdaLR(sgd(), [() => 1]),
    /LambdaLR: lrLambda must be a function, or one for each of the 2 groups, got \[a function\]/,
  );
  throwsRange(() => new OneCycleLR(sgd(), 1), /OneCycleLR: needs totalSteps/);
  throwsRange(
    () => new OneCycleLR(sgd(), [1, 2, 3], { totalSteps: 5 }),
    /maxLr must be a number or one for each of the 2/,
  );
  throwsRange(() => new ReduceLROnPlateau(sgd(), { factor: 1 }), /factor must be below 1, got 1/);
  throwsRange(() => new SequentialLR(sgd(), [], []), /SequentialLR: needs one milestone less/);
});

errors("OneCycleLR: too many steps", () => {
  const schedule = new OneCycleLR(sgd(), 1, { totalSteps: 3 });
  for (let i = 0; i < 3; i++) schedule.step();
  throwsRange(() => schedule.step(), /OneCycleLR: step 4 is beyond the 3 that were planned/);
});

errors("OneCycleLR: an optimizer without momentum", () => {
  const plain = { paramGroups: [{ lr: 1 }], defaults: { lr: 1 } };
  assert.throws(() => new OneCycleLR(plain, 1, { totalSteps: 3 }), /neither momentum nor betas/);
  new OneCycleLR(plain, 1, { totalSteps: 3, cycleMomentum: false });
});

errors("a state of another schedule", () => {
  const state = new ExponentialLR(sgd(), 0.5).stateDict();
  assert.throws(() => new StepLR(sgd(), 2).loadStateDict(state), /StepLR.loadStateDict: the state lacks .*step_size/);
});

errors("a tensor as metric, no optimizer, resuming without initial rates", () => {
  assert.throws(() => new ReduceLROnPlateau(sgd()).step({} as number), /takes a number/);
  assert.throws(() => new StepLR({} as FakeOptimizer, 2), /the first argument must be an optimizer/);
  assert.throws(() => new StepLR(sgd(), 2, { lastEpoch: 3 }), /needs initialLr in every group/);
});

errors.run();
