// Random programs with state: tensors, parameters, models, optimizers and compiled steps, used in an order that nobody would write.

import { EagerTensor, noGrad, scope } from "./eager-model.ts";
import { type Line, textOf } from "./state-judge.ts";
import { assigning, choosing, disposing, loading, operations, reading, refusing } from "./state-lines.ts";
import { type Item, isShape, type Model, type Step, Writer } from "./state-writer.ts";

type Action = (w: Writer) => void;

/** How often a program is begun anew. */
const ATTEMPTS = 40;

/** A program of about `length` lines, `without` the actions of these names. The same for the same seed. */
export function stateProgram(seed: number, length = 18, without: readonly string[] = []): Line[] {
  for (let attempt = 0; ; attempt++) {
    const w = new Writer(seed * 1000 + attempt, new Set(without));
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
];
const OUTSIDE_OF_STEPS: readonly [number, Action][] = [
  [3, forward],
  [3, backward],
  [3, stepping],
  [2, clipping],
  [5, scoped],
  [2, withoutGradients],
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

/** An input for the model, as an expression. */
function inputFor(w: Writer, { embeds }: Model, moving = ""): string {
  if (embeds) return `tensor(Int32Array.of(${Array.from({ length: 4 }, () => w.dice.below(4)).join(", ")}))`;
  const known = w.pick(({ x }) => isShape(x, 4, 3));
  if (known !== null && w.chance(0.4)) return known.text;
  return `tensor(host(${w.seed()}${moving}, 4, 3))`;
}

function output(w: Writer, moving = ""): Item | null {
  const model = w.models.length === 0 ? null : w.dice.pick(w.models);
  if (model === null) return null;
  return w.tensor(`${model.name}.forward(${inputFor(w, model, moving)})`, "y");
}

/** A scalar of `x`, as an expression. */
export function lossOf(w: Writer, { text, x }: Item): string {
  const forms = [`${text}.square().mean()`, `${text}.tanh().mean()`, `${text}.mul(${w.number()}).sum()`];
  if (x.ndim === 2 && x.shape[0] === 4) forms.push(`crossEntropy(${text}, tensor(Int32Array.of(0, 1, 1, 0)))`);
  if (x.ndim > 0) forms.push(`mseLoss(${text}, tensor(host(${[w.seed(), ...x.shape].join(", ")})))`);
  const also = w.chance(0.3) ? w.pick((item) => item.x.requiresGrad) : null;
  return w.dice.pick(forms) + (also === null ? "" : `.add(${also.text}.square().mean())`);
}

function forward(w: Writer): void {
  output(w);
}

function loss(w: Writer, moving = ""): Item | null {
  const found = w.chance(0.6) ? output(w, moving) : w.pick(({ x }) => x.requiresGrad);
  return found === null || !found.x.requiresGrad ? null : w.tensor(lossOf(w, found), "l");
}

function backward(w: Writer): void {
  const old = w.pick(({ x }) => x.requiresGrad && !x.isLeaf && x.numel === 1);
  const from = old !== null && w.chance(0.6) ? old : loss(w);
  if (from !== null) w.act(`${from.text}.backward();`);
  else {
    const wide = w.pick(({ x }) => x.requiresGrad && !x.isLeaf);
    if (wide !== null) w.act(`${wide.text}.backward(${w.fresh(wide.x.shape)});`);
  }
}

function stepping(w: Writer): void {
  const cleared = w.pick(({ text, x }) => x.isLeaf && x.grad !== null && !text.endsWith(".grad"));
  if (cleared !== null && w.chance(0.2)) w.act(`${cleared.text}.grad = null;`);
  if (w.optimizers.length === 0) return;
  const { name } = w.dice.pick(w.optimizers);
  const form = w.dice.below(8);
  if (form === 0) w.act(`${name}.paramGroups[0].lr = ${Math.abs(w.number()) / 5};`);
  else if (form <= 2) w.act(`${name}.zeroGrad();`);
  else w.act(`${name}.step();`);
}

function clipping(w: Writer): void {
  const graded = w.optimizers.filter(({ params }) => params.some(({ grad }) => grad !== null && !grad.disposed));
  if (graded.length === 0) return;
  const { name } = w.dice.pick(graded);
  w.tensor(`nn.utils.clipGradNorm(${name}.paramGroups[0].params, ${Math.abs(w.number()) + 0.05})`, "norm");
}

/** A step of training as tutorials write it, with other lines in between. */
function training(w: Writer, moving = ""): void {
  if (w.optimizers.length === 0) return;
  const { name } = w.dice.pick(w.optimizers);
  const between = (): void => {
    if (w.chance(0.25)) anyAction(w);
  };
  if (w.chance(0.8)) w.act(`${name}.zeroGrad();`);
  between();
  const l = loss(w, moving);
  if (l === null) return;
  between();
  w.act(`${l.text}.backward();`);
  if (w.chance(0.15)) w.act(`${l.text}.backward();`);
  between();
  if (w.chance(0.2)) clipping(w);
  w.act(`${name}.step();`);
  if (w.top && w.chance(0.3)) w.look(`see(await ${l.text}.data());`);
}

function looping(w: Writer): void {
  if (w.depth > 0) return;
  const outs = w.name("outs");
  w.define(outs, "[]");
  const count = 3 + w.dice.below(3);
  const { lines } = w.keeping(() =>
    w.inside(new Map([["i", 0]]), () => {
      if (w.chance(0.7)) training(w, " + i");
      const times = 1 + w.dice.below(3);
      for (let i = 0; i < times; i++) anyAction(w);
      const kept = w.pick(({ text }) => !text.startsWith(outs));
      if (kept !== null) w.act(`${outs}.push(${kept.text}${w.chance(0.3) ? ".mul(2)" : ".detach()"});`);
      const read = w.pick();
      if (read !== null && w.chance(0.5)) w.look(`if (i === ${1 + w.dice.below(2)}) see(await ${read.text}.data());`);
    }),
  );
  loop(w, lines, count);
  if (w.chance(0.5)) w.look(`for (const x of ${outs}) see(await x.data());`);
}

/** A state that a loop carries in a name, read or not on the way. */
function carrying(w: Writer): void {
  const x = w.pick((item) => !item.x.requiresGrad && item.x.ndim > 0);
  if (x === null) return;
  const name = w.name("h");
  w.define(name, `${x.text}.mul(${w.number()})`, "let");
  w.rebound.add(name);
  const { lines } = w.keeping(() =>
    w.inside(new Map([["i", 0]]), () => {
      w.act(`${name} = ${name}.mul(${w.number()}).add(${x.text}).tanh();`);
      if (w.chance(0.6)) w.look(`see(await ${name}.data());`);
      if (w.chance(0.5)) anyAction(w);
    }),
  );
  loop(w, lines, 4);
}

/** Writes the lines as a loop; the first time they have run already. */
function loop(w: Writer, lines: readonly Line[], count: number): void {
  w.execute(`for (let i = 1; i < ${count}; i++) {\n${textOf(lines)}\n}`);
  w.block(`for (let i = 0; i < ${count}; i++) {`, lines, "}");
}

function some(w: Writer, most: number): void {
  const times = 1 + w.dice.below(most);
  for (let i = 0; i < times; i++) anyAction(w);
}

/** Tensors to return from a block, as a list. */
function returned(w: Writer): string {
  const chosen = [w.pick(), w.pick()].flatMap((item) => (item !== null && w.chance(0.7) ? [item.text] : []));
  return `[${[...new Set(chosen)].filter((text) => !text.endsWith(".grad")).join(", ")}]`;
}

function scoped(w: Writer): void {
  if (w.depth > 1) return;
  const leak = w.chance(0.3) ? w.name("leaked") : null;
  if (leak !== null) {
    w.define(leak, "null", "let");
    w.rebound.add(leak);
  }
  const { lines, result } = w.within(new Map(), () =>
    scope(() => {
      some(w, 4);
      const kept = w.pick(({ own }) => own);
      if (leak !== null && kept !== null) w.act(`${leak} = ${kept.text};`);
      const list = returned(w);
      w.look(`return ${list};`);
      return w.evaluate(list) as EagerTensor[];
    }),
  );
  const name = w.name("s");
  w.block(`const ${name} = scope(() => {`, lines, "});");
  w.bind(name, result);
  gone(w, leak);
}

/** A tensor that a scope has freed says so. */
function gone(w: Writer, leak: string | null): void {
  if (leak === null) return;
  const x = w.value(leak);
  if (x instanceof EagerTensor && x.disposed) {
    if (w.top) w.look(`await rejects("DisposedTensorError", () => ${leak}.data());`);
    else w.look(`throws("DisposedTensorError", () => ${leak}.add(1));`);
  }
}

/** A scope that is left by an error which the program catches. */
function leftScope(w: Writer): void {
  if (w.depth > 1) return;
  const { lines } = w.within(new Map(), () => {
    try {
      scope(() => {
        some(w, 4);
        throw new Left();
      });
    } catch (error) {
      if (!(error instanceof Left)) throw error;
    }
    w.look("throw left();");
  });
  w.block('throws("Left", () => scope(() => {', lines, "}));");
}

class Left extends Error {}

function withoutGradients(w: Writer): void {
  if (w.depth > 1) return;
  const before = w.quiet;
  w.quiet = true;
  const { lines, result } = w.within(new Map(), () =>
    noGrad(() => {
      some(w, 3);
      const list = returned(w);
      w.look(`return ${list};`);
      return w.evaluate(list);
    }),
  );
  w.quiet = before;
  const name = w.name("n");
  w.block(`const ${name} = noGrad(() => {`, lines, "});");
  w.bind(name, result);
}

function checkpointed(w: Writer): void {
  if (w.depth > 1) return;
  const [a, b] = [w.pick(), w.pick()];
  if (a === null || b === null) return;
  const known = new Map([
    ["a", a.x],
    ["b", b.x],
  ]);
  const { lines, result } = w.within(known, () => {
    for (let i = 0; i < 2; i++) operations(w);
    const last = w.pick(({ text }) => text !== "a" && text !== "b");
    const text = last?.text ?? "a.mul(2)";
    w.look(`return ${text};`);
    return w.evaluate(text);
  });
  const name = w.name("c");
  w.block(`const ${name} = checkpoint((a, b) => {`, lines, `}, ${a.text}, ${b.text});`);
  w.bind(name, result);
}

/** Gradients as tensors of the graph: of a loss, and of a penalty made of them. */
function differentiating(w: Writer): void {
  const l = w.pick(({ x }) => x.requiresGrad && !x.isLeaf && x.numel === 1 && x.ndim === 0);
  const leaf = w.pick(({ text, x }) => x.isLeaf && !text.endsWith(".grad"));
  if (l === null || leaf === null || w.tracing || w.quiet) return;
  const g = w.tensor(`grad(${l.text}, [${leaf.text}])[0]`, "g");
  if (g?.x.requiresGrad && w.chance(0.5)) w.tensor(`${g.text}.square().sum()`, "l");
}

function switching(w: Writer): void {
  if (w.models.length === 0) return;
  w.act(`${w.dice.pick(w.models).name}.${w.dice.pick(["train", "eval"])}();`);
}

function initializing(w: Writer): void {
  const target = w.pick(({ text, x }) => (x.isLeaf || !x.requiresGrad) && !text.endsWith(".grad"));
  if (target === null) return;
  const n = w.number();
  const how = w.dice.pick(["zeros(?)", "ones(?)", `constant(?, ${n})`, `uniform(?, { a: ${n}, b: ${n} })`]);
  w.act(`nn.init.${how.replace("?", target.text)};`);
}

/** An optimizer as users write it, with a state or without. */
function userOptimizer(w: Writer): void {
  if (w.models.length === 0 || w.tracing) return;
  const { name } = w.dice.pick(w.models);
  if (w.chance(0.5) || w.depth > 0) {
    w.act(`noGrad(() => { for (const x of ${name}.parameters()) if (x.grad) x.assign(x.sub(x.grad.mul(0.1))); });`);
    return;
  }
  const v = w.name("v");
  const velocities = w.define(v, `${name}.parameters().map((x) => zeros(x.shape))`) as EagerTensor[];
  for (const x of velocities) w.needed.add(x);
  const rule = `${v}[i].assign(${v}[i].mul(0.9).add(x.grad)); x.assign(x.sub(${v}[i].mul(0.1)));`;
  w.act(`noGrad(() => ${name}.parameters().forEach((x, i) => { if (x.grad) { ${rule} } }));`);
}

/** A name for a block, whatever way it is left. */
function using(w: Writer): void {
  if (w.depth > 0) return;
  const x = w.tensor(w.fresh([3]), "u");
  if (x === null) return;
  const { lines } = w.inside(new Map(), () => some(w, 3));
  const dispose = `${x.text}[Symbol.dispose]();`;
  w.block("try {", lines, `} finally { ${dispose} }`);
  w.execute(dispose);
}

/** An argument for a compiled step: from the host, computed, or known, unless the step might overwrite it while it runs. */
function argument(w: Writer, { labels, assigns }: Pick<Step, "labels" | "assigns">, first: boolean): string {
  if (labels && !first) return "tensor(Int32Array.of(0, 1, 1, 0))";
  const known = w.pick(({ x }) => isShape(x, 4, 3) && !x.requiresGrad);
  if (known !== null && w.chance(0.6)) {
    const form = w.dice.pick(["", `.mul(${w.number()})`, ".detach()"]);
    return form === "" && assigns ? `${known.text}.add(1)` : `${known.text}${form}`;
  }
  return `tensor(host(${w.seed()}, 4, 3))`;
}

function compiling(w: Writer): void {
  if (w.depth > 0 || w.steps.length >= 2) return;
  const model = w.models.find(
    ({ embeds, parameters }) =>
      !embeds && w.optimizers.some(({ params }) => parameters().every((x) => params.includes(x))),
  );
  const optimizer =
    model === undefined
      ? undefined
      : w.optimizers.find(({ params }) => model.parameters().every((x) => params.includes(x)));
  const trains = model !== undefined && optimizer !== undefined && w.chance(0.7);
  const step: Step = { name: w.name("step"), labels: trains, assigns: trains || w.chance(0.6), after: "" };
  const given = [argument(w, step, true), argument(w, step, false)];
  const [x, y] = given.map((text) => w.evaluate(text));
  // What the step refers to must stay.
  for (const seen of w.items()) w.needed.add(seen.x);
  const { lines, result } = w.within(
    new Map([
      ["x", x],
      ["y", y],
    ]),
    () => {
      w.tracing = true;
      try {
        if (trains) trainingStep(w, model, optimizer.name);
        const times = w.dice.below(4);
        for (let i = 0; i < times; i++) {
          if (step.assigns) anyAction(w);
          else operations(w);
        }
        const parts = [w.pick(), w.pick(({ own }) => own)].flatMap((item) => (item === null ? [] : [item.text]));
        const text = parts.length === 0 ? "{ out: x }" : `{ ${parts.map((part, i) => `r${i}: ${part}`).join(", ")} }`;
        w.look(`return ${text};`);
        return w.evaluate(
          `((made) => Object.fromEntries(Object.entries(made).map(([k, t]) => [k, t.detach()])))(${text})`,
        );
      } finally {
        w.tracing = false;
      }
    },
  );
  const { name } = step;
  const after = trains ? ` ${optimizer.name}.zeroGrad();` : "";
  w.block(`const ${name} = compile((x, y) => {`, lines, "});");
  w.bind(name, w.evaluate(`compile((x, y) => {\n${textOf(lines)}\n})`));
  w.steps.push({ ...step, after });
  const r = w.name("r");
  w.lines.push(`const ${r} = ${name}(${given.join(", ")});${after}`);
  if (after !== "") w.execute(after);
  w.bind(r, result);
}

function trainingStep(w: Writer, model: Model, optimizer: string): void {
  w.act(`${optimizer}.zeroGrad();`);
  const out = w.tensor(`${model.name}.forward(x)`, "y");
  if (out === null) return;
  const form = w.dice.pick([
    `crossEntropy(${out.text}, y)`,
    `${out.text}.square().mean()`,
    `${out.text}.tanh().mean()`,
  ]);
  const l = w.tensor(form, "l");
  if (l === null) return;
  w.act(`${l.text}.backward();`);
  if (w.chance(0.3)) w.tensor(`nn.utils.clipGradNorm(${optimizer}.paramGroups[0].params, 0.3)`, "norm");
  w.act(`${optimizer}.step();`);
}

function calling(w: Writer): void {
  if (w.steps.length === 0 || w.quiet) return;
  const step = w.dice.pick(w.steps);
  const { name, after } = step;
  const text = `${name}(${argument(w, step, true)}, ${argument(w, step, false)})`;
  const r = w.name("r");
  const result = w.evaluate(text);
  w.lines.push(`const ${r} = ${text};${after}`);
  if (after !== "") w.execute(after);
  w.bind(r, result);
}
