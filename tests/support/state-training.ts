// Lines of random programs that train: outputs, losses, gradients, steps.

import type { EagerTensor } from "./eager-model.ts";
import { type Item, isShape, type Model, type Writer } from "./state-writer.ts";

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
function lossOf(w: Writer, { text, x }: Item): string {
  const forms = [`${text}.square().mean()`, `${text}.tanh().mean()`, `${text}.mul(${w.number()}).sum()`];
  if (x.ndim === 2 && x.shape[0] === 4 && x.shape[1] !== 1)
    forms.push(`crossEntropy(${text}, tensor(Int32Array.of(0, 1, 1, 0)))`);
  if (x.ndim > 0) forms.push(`mseLoss(${text}, tensor(host(${[w.seed(), ...x.shape].join(", ")})))`);
  const also = w.chance(0.3) ? w.pick((item) => item.x.requiresGrad) : null;
  return w.dice.pick(forms) + (also === null ? "" : `.add(${also.text}.square().mean())`);
}

export function forward(w: Writer): void {
  output(w);
}

function loss(w: Writer, moving = ""): Item | null {
  const found = w.chance(0.6) ? output(w, moving) : w.pick(({ x }) => x.requiresGrad);
  return found === null || !found.x.requiresGrad ? null : w.tensor(lossOf(w, found), "l");
}

export function backward(w: Writer): void {
  const old = w.pick(({ x }) => x.requiresGrad && !x.isLeaf && x.numel === 1);
  const from = old !== null && w.chance(0.6) ? old : loss(w);
  if (from !== null) w.act(`${from.text}.backward();`);
  else {
    const wide = w.pick(({ x }) => x.requiresGrad && !x.isLeaf);
    if (wide !== null) w.act(`${wide.text}.backward(${w.fresh(wide.x.shape)});`);
  }
}

export function stepping(w: Writer): void {
  const cleared = w.pick(({ text, x }) => x.isLeaf && x.grad !== null && !text.endsWith(".grad"));
  if (cleared !== null && w.chance(0.3)) {
    const { text } = cleared;
    w.act(`${text}.grad = ${w.dice.pick(["null", `${text}.grad.mul(${w.number()})`, `${text}.tanh().detach()`])};`);
  }
  if (w.optimizers.length === 0) return;
  const { name } = w.dice.pick(w.optimizers);
  const form = w.dice.below(8);
  if (form === 0) w.act(`${name}.paramGroups[0].lr = ${Math.abs(w.number()) / 5};`);
  else if (form <= 2) w.act(`${name}.zeroGrad();`);
  else w.act(`${name}.step();`);
}

export function clipping(w: Writer): void {
  const graded = w.optimizers.filter(({ params }) => params.some(({ grad }) => grad !== null && !grad.disposed));
  if (graded.length === 0) return;
  const { name } = w.dice.pick(graded);
  w.tensor(`nn.utils.clipGradNorm(${name}.paramGroups[0].params, ${Math.abs(w.number()) + 0.05})`, "norm");
}

/** A step of training as tutorials write it, with other lines in between. */
export function training(w: Writer, moving = ""): void {
  if (w.optimizers.length === 0) return;
  const { name } = w.dice.pick(w.optimizers);
  const between = (): void => {
    if (w.chance(0.25)) w.any();
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
  if (w.top && !l.x.disposed && w.chance(0.3)) w.look(`see(await ${l.text}.data());`);
}

/** Gradients as tensors of the graph: of a loss, and of a penalty made of them. */
export function differentiating(w: Writer): void {
  const l = w.pick(({ x }) => x.requiresGrad && !x.isLeaf && x.numel === 1 && x.ndim === 0);
  const leaf = w.pick(({ text, x }) => x.isLeaf && !text.endsWith(".grad"));
  if (l === null || leaf === null || w.tracing || w.quiet) return;
  const g = w.tensor(`grad(${l.text}, [${leaf.text}])[0]`, "g");
  if (g?.x.requiresGrad && w.chance(0.5)) w.tensor(`${g.text}.square().sum()`, "l");
}

export function switching(w: Writer): void {
  if (w.models.length === 0) return;
  w.act(`${w.dice.pick(w.models).name}.${w.dice.pick(["train", "eval"])}();`);
}

export function initializing(w: Writer): void {
  const target = w.pick(({ text, x }) => (x.isLeaf || !x.requiresGrad) && !text.endsWith(".grad"));
  if (target === null) return;
  const n = w.number();
  const how = w.dice.pick(["zeros(?)", "ones(?)", `constant(?, ${n})`, `uniform(?, { a: ${n}, b: ${n} })`]);
  w.act(`nn.init.${how.replace("?", target.text)};`);
}

/** An optimizer as users write it, with a state or without. */
export function userOptimizer(w: Writer): void {
  if (w.models.length === 0 || w.tracing) return;
  const { name } = w.dice.pick(w.models);
  if (w.chance(0.5) || w.depth > 0) {
    w.act(descent(name));
    return;
  }
  const v = w.name("v");
  const velocities = w.define(v, `${name}.parameters().map((x) => zeros(x.shape))`) as EagerTensor[];
  for (const x of velocities) w.needed.add(x);
  const rule = `${v}[i].assign(${v}[i].mul(0.9).add(x.grad)); x.assign(x.sub(${v}[i].mul(0.1)));`;
  w.act(`noGrad(() => ${name}.parameters().forEach((x, i) => { if (x.grad) { ${rule} } }));`);
}

/** Gradient descent as users write it. */
export function descent(model: string): string {
  return `noGrad(() => { for (const x of ${model}.parameters()) if (x.grad) x.assign(x.sub(x.grad.mul(0.1))); });`;
}
