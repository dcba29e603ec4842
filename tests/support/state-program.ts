// Random programs with state: tensors, parameters, models, optimizers and compiled steps, used in an order that nobody would write.

import type { EagerTensor } from "./eager-model.ts";
import {
  calling,
  carrying,
  checkpointed,
  compiling,
  leftScope,
  looping,
  scoped,
  using,
  withoutGradients,
} from "./state-blocks.ts";
import { type Line, textOf } from "./state-judge.ts";
import { assigning, choosing, disposing, loading, operations, reading, refusing } from "./state-lines.ts";
import {
  backward,
  clipping,
  differentiating,
  forward,
  initializing,
  stepping,
  switching,
  training,
  userOptimizer,
} from "./state-training.ts";
import { Writer } from "./state-writer.ts";

type Action = (w: Writer) => void;

/** How often a program is begun anew. */
const ATTEMPTS = 40;

/** A program of about `length` lines, `without` the actions of these names. The same for the same seed. */
export function stateProgram(seed: number, length = 18, without: readonly string[] = []): Line[] {
  for (let attempt = 0; ; attempt++) {
    const w = new Writer(seed * 1000 + attempt, new Set(without), anyAction);
    try {
      write(w, length);
      return w.lines;
    } catch (error) {
      // What float32 cannot decide, or is wrong in the order that came out, is written anew.
      if (attempt === ATTEMPTS) throw new Error(`${error}\nafter\n${textOf(w.lines)}`, { cause: error });
    }
  }
}

function write(w: Writer, length: number): void {
  newTensor(w);
  if (w.chance(0.7)) newModel(w);
  if (w.chance(0.4)) newParameters(w);
  if (w.chance(0.8) && !w.without.has(newOptimizer.name)) newOptimizer(w);
  for (let i = 0; i < length; i++) {
    anyAction(w);
    if (!w.isModest()) break;
  }
  for (const line of w.pending) w.look(line);
  for (const { text } of w.items()) if (w.chance(0.6)) w.look(`see(await ${text}.data());`);
  for (const { name } of w.models) w.look(`for (const x of ${name}.buffers()) see(await x.data());`);
}

const EVERYWHERE: readonly [number, Action][] = [
  [2, newTensor],
  [9, operations],
  [6, assigning],
  [4, disposing],
  [2, refusing],
  [2, differentiating],
  [1, initializing],
  [1, userOptimizer],
  [2, withoutGradients],
  [2, scoped],
];
const OUTSIDE_OF_STEPS: readonly [number, Action][] = [
  [3, forward],
  [3, backward],
  [3, stepping],
  [2, clipping],
  [3, scoped],
  [2, leftScope],
  [2, checkpointed],
  [1, switching],
  [1, loading],
  [2, calling],
];
const AT_THE_TOP: readonly [number, Action][] = [
  [5, reading],
  [1, newModel],
  [1, newParameters],
  [2, newOptimizer],
  [5, training],
  [3, looping],
  [3, compiling],
  [1, using],
  [1, carrying],
];

function anyAction(w: Writer): void {
  const actions = w.tracing
    ? EVERYWHERE
    : w.top
      ? [...EVERYWHERE, ...OUTSIDE_OF_STEPS, ...AT_THE_TOP]
      : [...EVERYWHERE, ...OUTSIDE_OF_STEPS];
  const action = choosing(w, actions);
  if (!w.without.has(action.name)) action(w);
}

function newTensor(w: Writer): void {
  const shape = w.dice.pick([[3], [4, 3], [3, 3], [3], []]);
  const requires = w.chance(0.25) && !w.tracing ? "requiresGrad: true" : "";
  w.tensor(w.fresh(shape, requires));
}

function newParameters(w: Writer): void {
  if (w.depth > 0) return;
  if (w.chance(0.5)) {
    w.tensor(`nn.parameter(${w.fresh(w.dice.pick([[3], [3, 3], []]))})`, "p");
    return;
  }
  const count = w.dice.pick([2, 3, 9]);
  const name = w.name("p");
  const shape = w.dice.pick(["3", "3, 3", "4, 3"]);
  w.define(name, `Array.from({ length: ${count} }, (_, i) => nn.parameter(tensor(host(10 * i, ${shape}))))`);
}

function newModel(w: Writer): void {
  if (w.depth > 0 || w.models.length >= 3) return;
  const name = w.name("m");
  const [text, embeds] = w.dice.pick([
    ["new nn.Linear(3, 3)", false],
    ["new nn.Linear(3, 2)", false],
    ["new nn.Sequential(new nn.Linear(3, 3), new nn.Tanh(), new nn.Linear(3, 3))", false],
    ["new nn.Sequential(new nn.Linear(3, 3), new nn.BatchNorm1d(3), new nn.ReLU(), new nn.Linear(3, 2))", false],
    ["new nn.Sequential(new nn.BatchNorm1d(3), new nn.Linear(3, 3))", false],
    ["new nn.Embedding(4, 3)", true],
  ] as const);
  const module = w.define(name, `fill(${text}, ${w.seed()})`) as { parameters(): EagerTensor[] };
  const parameters = module.parameters();
  for (const x of parameters) w.needed.add(x);
  w.models.push({ name, kind: text, embeds, parameters: () => parameters });
}

function newOptimizer(w: Writer): void {
  if (w.depth > 0 || w.optimizers.length >= 3) return;
  const leaves = w.items().filter(({ text, x }) => x.isLeaf && !text.endsWith(".grad"));
  const groups = w.models.map(({ name }) => `${name}.parameters()`);
  const lists = new Set(leaves.flatMap(({ text }) => (/^p\d+\[/.test(text) ? [text.split("[")[0] as string] : [])));
  const singles = leaves.filter(({ text }) => /^[pt]\d+$/.test(text)).map(({ text }) => text);
  const choices = [...groups, ...lists, ...singles];
  if (choices.length === 0) return;
  const first = w.dice.pick(choices);
  const second = w.dice.pick(choices);
  const spread = (text: string): string => (singles.includes(text) ? text : `...${text}`);
  const params = w.chance(0.4) && first !== second ? `[${spread(first)}, ${spread(second)}]` : `[${spread(first)}]`;
  const [kind, options] = w.dice.pick([
    ["SGD", "lr: 0.1"],
    ["SGD", "lr: 0.1, momentum: 0.9"],
    ["SGD", "lr: 0.05, momentum: 0.9, weightDecay: 0.1"],
    ["Adam", "lr: 0.05, eps: 1e-3"],
    ["AdamW", "lr: 0.05, eps: 1e-3, weightDecay: 0.1"],
  ] as const);
  const name = w.name("o");
  const list = w.evaluate(params) as EagerTensor[];
  if (new Set(list).size < list.length) return;
  w.define(name, `new optim.${kind}(${params}, { ${options} })`);
  for (const x of list) w.needed.add(x);
  w.optimizers.push({ name, kind, params: list });
}
