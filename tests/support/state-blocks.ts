// Blocks of random programs: loops, scopes, functions that are compiled or checkpointed, and calls of these.

import { EagerTensor, noGrad, scope } from "./eager-model.ts";
import { type Line, textOf } from "./state-judge.ts";
import { operations } from "./state-lines.ts";
import { descent, training } from "./state-training.ts";
import { isShape, type Step, type Writer } from "./state-writer.ts";

export function looping(w: Writer): void {
  if (w.depth > 0) return;
  const outs = w.name("outs");
  w.define(outs, "[]");
  const count = 3 + w.dice.below(3);
  const { lines } = w.keeping(() =>
    w.inside(new Map([["i", 0]]), () => {
      if (w.chance(0.7)) training(w, " + i");
      const times = 1 + w.dice.below(3);
      for (let i = 0; i < times; i++) w.any();
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
export function carrying(w: Writer): void {
  const x = w.pick((item) => !item.x.requiresGrad && item.x.ndim > 0);
  if (x === null) return;
  const name = w.name("h");
  w.define(name, `${x.text}.mul(${w.number()})`, "let");
  w.rebound.add(name);
  const { lines } = w.keeping(() =>
    w.inside(new Map([["i", 0]]), () => {
      w.act(`${name} = ${name}.mul(${w.number()}).add(${x.text}).tanh();`);
      if (w.chance(0.6)) w.look(`see(await ${name}.data());`);
      if (w.chance(0.5)) w.any();
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
  for (let i = 0; i < times; i++) w.any();
}

/** Tensors to return from a block, as a list. */
function returned(w: Writer): string {
  const chosen = [w.pick(), w.pick()].flatMap((item) => (item !== null && w.chance(0.7) ? [item.text] : []));
  return `[${[...new Set(chosen)].filter((text) => !text.endsWith(".grad")).join(", ")}]`;
}

export function scoped(w: Writer): void {
  if (w.depth > 1) return;
  const leak = !w.tracing && w.chance(0.3) ? w.name("leaked") : null;
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
export function leftScope(w: Writer): void {
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

export function withoutGradients(w: Writer): void {
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

export function checkpointed(w: Writer): void {
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

/** A name for a block, whatever way it is left. */
export function using(w: Writer): void {
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

export function compiling(w: Writer): void {
  if (w.depth > 0 || w.steps.length >= 2) return;
  const models = w.models.filter(({ embeds }) => !embeds);
  const model = models.length === 0 ? undefined : w.dice.pick(models);
  const optimizer = w.optimizers.find(({ params }) => model?.parameters().every((x) => params.includes(x)));
  const trains = model !== undefined && w.chance(0.7);
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
        if (trains) trainingStep(w, model.name, optimizer?.name ?? null);
        const times = w.dice.below(4);
        for (let i = 0; i < times; i++) {
          if (step.assigns) w.any();
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
  const after = trains ? ` ${model.name}.zeroGrad();` : "";
  w.block(`const ${name} = compile((x, y) => {`, lines, "});");
  w.bind(name, w.evaluate(`compile((x, y) => {\n${textOf(lines)}\n})`));
  w.steps.push({ ...step, after });
  const r = w.name("r");
  w.lines.push(`const ${r} = ${name}(${given.join(", ")});${after}`);
  if (after !== "") w.execute(after);
  w.bind(r, result);
}

/** A step with an optimizer, or with a rule of the user's own where there is none for the model. */
function trainingStep(w: Writer, model: string, optimizer: string | null): void {
  w.act(`${model}.zeroGrad();`);
  const out = w.tensor(`${model}.forward(x)`, "y");
  if (out === null) return;
  const forms = [`crossEntropy(${out.text}, y)`, `${out.text}.square().mean()`, `${out.text}.tanh().mean()`];
  const l = w.tensor(w.dice.pick(forms), "l");
  if (l === null) return;
  w.act(`${l.text}.backward();`);
  if (w.chance(0.3)) w.tensor(`nn.utils.clipGradNorm(${model}.parameters(), 0.3)`, "norm");
  w.act(optimizer === null ? descent(model) : `${optimizer}.step();`);
}

export function calling(w: Writer): void {
  if (w.steps.length === 0 || w.quiet) return;
  const step = w.dice.pick(w.steps);
  const { name, after } = step;
  if (!step.assigns && w.chance(0.25)) {
    // Another signature, which may be none that the step takes.
    const other = `${name}(${w.fresh(w.dice.pick([[3], [3, 3]]))}, ${w.fresh([3, 3])})`;
    const error = refusalOf(() => w.evaluate(other));
    if (error !== null) w.look(`throws("${error}", () => ${other});`);
    else w.define(w.name("r"), other);
    return;
  }
  const text = `${name}(${argument(w, step, true)}, ${argument(w, step, false)})`;
  const r = w.name("r");
  const result = w.evaluate(text);
  w.lines.push(`const ${r} = ${text};${after}`);
  if (after !== "") w.execute(after);
  w.bind(r, result);
}

/** The name of the error that a call throws; null where it throws none. */
function refusalOf(call: () => unknown): string | null {
  try {
    call();
    return null;
  } catch (error) {
    if (error instanceof Error && ["ShapeError", "RangeError"].includes(error.name)) return error.name;
    throw error;
  }
}
