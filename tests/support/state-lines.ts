// Single lines of random programs: operations, assignments, disposals, reads, and what must be refused.

import type { EagerTensor } from "./eager-model.ts";
import { broadcastShape, sameShape } from "./eager-values.ts";
import { type Item, isShape, type Writer } from "./state-writer.ts";

/** One of the actions, by weight. */
export function choosing<T>(w: Writer, weighted: readonly (readonly [number, T])[]): T {
  let at = w.dice.next() * weighted.reduce((sum, [weight]) => sum + weight, 0);
  const found = weighted.find(([weight]) => {
    at -= weight;
    return at < 0;
  });
  return (found ?? (weighted[0] as readonly [number, T]))[1];
}

/** A new tensor made of others. */
export function operations(w: Writer): void {
  const item = w.pick();
  if (item === null) return;
  const forms = [arithmetic, arithmetic, functions, reductions, views, unchanged, products];
  const text = w.dice.pick(forms)(w, item);
  if (text !== null) w.tensor(text);
}

function arithmetic(w: Writer, { text, x }: Item): string | null {
  const op = w.dice.pick(["add", "sub", "mul"]);
  const other = w.pick((item) => {
    const shape = broadcastShape(item.x.shape, x.shape);
    return shape !== null && shape.length <= 2;
  });
  return other === null || w.chance(0.3) ? `${text}.${op}(${w.number()})` : `${text}.${op}(${other.text})`;
}

function functions(w: Writer, { text, x }: Item): string {
  const forms = [`${text}.tanh()`, `${text}.relu()`, `${text}.sigmoid()`, `${text}.square()`];
  if (x.ndim > 0)
    forms.push(`${text}.softmax(${w.dice.below(x.ndim)})`, `${text}.normalize({ dim: ${w.dice.below(x.ndim)} })`);
  return w.dice.pick(forms);
}

function reductions(w: Writer, { text, x }: Item): string {
  const op = w.dice.pick(["sum", "mean"]);
  if (x.ndim === 0 || w.chance(0.5)) return `${text}.${op}()`;
  return `${text}.${op}(${w.dice.below(x.ndim)}${w.chance(0.4) ? ", true" : ""})`;
}

function views(w: Writer, { text, x }: Item): string | null {
  if (x.ndim === 0) return `${text}.reshape([1])`;
  const dim = w.dice.below(x.ndim);
  const n = x.shape[dim] as number;
  const forms = [
    `${text}.reshape([${x.numel}])`,
    `${text}.flip([${dim}])`,
    `${text}.select(${dim}, ${w.dice.below(n)})`,
  ];
  if (n > 1) {
    forms.push(`${text}.narrow(${dim}, 1, ${n - 1})`, `${text}.slice([0, ${n - 1}])`);
    forms.push(`cat([${text}.narrow(${dim}, 1, ${n - 1}), ${text}.narrow(${dim}, 0, 1)], { dim: ${dim} })`);
  }
  if (x.ndim === 2) forms.push(`${text}.t()`, `${text}.permute([1, 0])`);
  if (x.ndim === 1) forms.push(`${text}.unsqueeze(0).expand([4, ${n}])`);
  const same = w.pick((item) => sameShape(item.x.shape, x.shape));
  if (same !== null) forms.push(`stack([${text}, ${same.text}]).select(0, ${w.dice.below(2)})`);
  return w.dice.pick(forms);
}

/** Ops that change nothing: their results are tensors of their own all the same. */
function unchanged(w: Writer, { text, x }: Item): string {
  const forms = [
    `${text}.detach()`,
    `${text}.detach()`,
    `${text}.to("f32")`,
    `${text}.reshape([${x.shape}])`,
    `${text}.expand([${x.shape}])`,
    `${text}.dropout(0.5, { training: false })`,
    `${text}.permute([${[...x.shape.keys()]}])`,
  ];
  if (x.ndim > 0) forms.push(`${text}.narrow(0, 0, ${x.shape[0]})`, `${text}.slice([0, ${x.shape[0]}])`);
  return w.dice.pick(forms);
}

function products(w: Writer, { text, x }: Item): string | null {
  const inner = x.shape.at(-1);
  const vector = w.pick((item) => item.x.ndim === 1 && item.x.shape[0] === inner);
  const matrix = w.pick((item) => item.x.ndim === 2 && item.x.shape[0] === inner);
  if (x.ndim === 1 && vector !== null) return `${text}.dot(${vector.text})`;
  if (x.ndim === 2 && vector !== null && w.chance(0.5)) return `${text}.mv(${vector.text})`;
  return x.ndim === 2 && matrix !== null ? `${text}.matmul(${matrix.text})` : null;
}

/** What may be given a value: leaves, and tensors that are not part of a graph. */
function isTarget({ x }: Item): boolean {
  return x.isLeaf || !x.requiresGrad;
}

/** A value for `target`, as an expression: of the same shape or one that broadcasts to it. */
function valueFor(w: Writer, target: Item): string {
  const fits = ({ x }: Item): boolean => {
    const shape = x.ndim <= target.x.ndim ? broadcastShape(x.shape, target.x.shape) : null;
    return shape !== null && sameShape(shape, target.x.shape);
  };
  const [a, b] = [w.pick(fits) ?? target, w.pick(fits) ?? target];
  const forms = [
    `${w.number()}`,
    a.text,
    `${a.text}.mul(${w.number()})`,
    `${target.text}.mul(0.9).add(${a.text})`,
    `${a.text}.add(${b.text}).tanh()`,
    `${a.text}.detach()`,
    w.fresh(target.x.shape),
  ];
  return w.dice.pick(forms);
}

export function assigning(w: Writer): void {
  const target = w.pick(isTarget);
  if (target === null) return;
  const form = w.dice.below(6);
  const other = w.pick((item) => isTarget(item) && item.x !== target.x && sameShape(item.x.shape, target.x.shape));
  if (form === 0 && other !== null) {
    // A swap, or values made of each other.
    const u = w.tensor(`${target.text}.add(${other.text})`);
    const v = w.tensor(w.chance(0.5) ? `${target.text}.detach()` : `${other.text}.sub(${target.text})`);
    if (u === null || v === null) return;
    w.act(`${target.text}.assign(${u.text});`);
    w.act(`${other.text}.assign(${v.text});`);
  } else if (form === 1) {
    const value = w.tensor(`${(other ?? target).text}.mul(${w.number()})`);
    if (value === null) return;
    w.act(`${target.text}.assign(${value.text});`);
    w.act(`${value.text}.dispose();`);
  } else if (form === 2) {
    for (let i = 0; i < 3; i++) w.act(`${target.text}.assign(${valueFor(w, target)});`);
  } else w.act(`${target.text}.assign(${valueFor(w, target)});`);
}

export function disposing(w: Writer): void {
  const graded = w.pick(({ text }) => text.endsWith(".grad"));
  if (graded !== null && w.chance(0.3)) {
    const leaf = graded.text.slice(0, -".grad".length);
    const form = w.dice.below(3);
    if (form === 0) w.act(`${graded.text}.dispose(); ${leaf}.grad = null;`);
    else {
      // Whoever holds a gradient keeps it when the leaf forgets it.
      const name = w.name("g");
      const owner = w.optimizers.find(({ params }) => params.some((x) => x.grad === graded.x));
      const forget = owner !== undefined && form === 1 ? `${owner.name}.zeroGrad();` : `${leaf}.grad = null;`;
      w.bind(name, graded.x);
      w.execute(forget);
      w.look(`const ${name} = ${graded.text}; ${forget}`);
    }
    return;
  }
  const item = w.pick(({ own }) => own);
  if (item !== null) w.act(`${item.text}.dispose();`);
}

export function reading(w: Writer): void {
  const item = w.pick();
  const other = w.pick();
  if (item === null || other === null) return;
  const forms = [
    `see(await ${item.text}.data());`,
    `see(await ${item.text}.data());`,
    `see(await ${item.text}.tolist());`,
    `await realize(${item.text}, ${other.text});`,
    `see(await Promise.all([${item.text}.data(), ${other.text}.tolist()]));`,
  ];
  if (item.x.numel === 1) forms.push(`see(await ${item.text}.item());`);
  if (w.depth === 0 && w.chance(0.2)) {
    // Asked for now, looked at later.
    const name = w.name("later");
    w.look(`const ${name} = ${item.text}.data();`);
    w.pending.push(`see(await ${name});`);
  } else w.look(w.dice.pick(forms));
}

/** Mistakes that the program catches. */
export function refusing(w: Writer): void {
  const gone = w.gone();
  if (gone.length > 0 && w.chance(0.5)) {
    const name = w.dice.pick(gone);
    if (w.top && w.chance(0.5)) w.look(`await rejects("DisposedTensorError", () => ${name}.data());`);
    else w.act(`throws("DisposedTensorError", () => ${name}.add(1));`);
    return;
  }
  const wide = w.pick(({ x }) => isShape(x, 4, 3));
  const narrow = w.pick(({ x }) => isShape(x, 3));
  if (wide === null || narrow === null) return;
  const forms = [
    `${wide.text}.matmul(${wide.text})`,
    `${wide.text}.reshape([5])`,
    `${wide.text}.select(1, 0).add(${narrow.text})`,
  ];
  if (isTarget(narrow)) forms.push(`${narrow.text}.assign(${wide.text})`, `${narrow.text}.assign(zeros([4]))`);
  w.act(`throws("ShapeError", () => ${w.dice.pick(forms)});`);
}

/** State dicts of models and optimizers, loaded into others or into the same one. */
export function loading(w: Writer): void {
  if (w.optimizers.length > 0 && w.chance(0.3)) {
    const to = w.dice.pick(w.optimizers);
    const from = w.dice.pick(w.optimizers.filter((o) => o.kind === to.kind && sameShapes(o.params, to.params)));
    w.act(`${to.name}.loadStateDict(${from.name}.stateDict());`);
    return;
  }
  if (w.models.length === 0) return;
  const { name, kind } = w.dice.pick(w.models);
  const fitting = w.snapshots.filter((snapshot) => snapshot.kind === kind);
  const form = w.dice.below(3);
  if (form === 0 && w.depth === 0) {
    const snapshot = w.name("kept");
    const copy = "([key, x]) => [key, x.detach()]";
    w.define(snapshot, `Object.fromEntries(Object.entries(${name}.stateDict()).map(${copy}))`);
    w.snapshots.push({ name: snapshot, kind });
  } else if (form === 1 && fitting.length > 0) w.act(`${name}.loadStateDict(${w.dice.pick(fitting).name});`);
  else {
    const from = w.dice.pick(w.models.filter((model) => model.kind === kind));
    w.act(`${name}.loadStateDict(${from.name}.stateDict());`);
  }
}

function sameShapes(a: readonly EagerTensor[], b: readonly EagerTensor[]): boolean {
  return a.length === b.length && a.every((x, i) => sameShape(x.shape, (b[i] as EagerTensor).shape));
}
