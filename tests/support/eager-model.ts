// An eager float64 model of what API.md says of values: tensors, scopes, gradients. Written apart from the engine, plain arrays throughout.
// PyTorch's semantics, save that nothing aliases: a view, a detached tensor and an op that changes nothing are tensors of their own.

import * as values from "./eager-values.ts";
import { propagate, sameShape, sizeOf, Value, withRecording } from "./eager-values.ts";

type Shape = readonly number[];
type Operand = EagerTensor | number;
type Nested = number | Nested[];

/** An error by the name of the engine's class. */
export function refusal(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}

/** The tensors made in each open scope. */
const scopes: Set<EagerTensor>[] = [];
/** Whose gradient a tensor is, or was. */
const gradientOf = new WeakMap<EagerTensor, EagerTensor>();

export class EagerTensor {
  #value: Value;
  #grad: EagerTensor | null = null;
  disposed = false;

  constructor(value: Value) {
    this.#value = value;
    for (const scope of scopes) scope.add(this);
  }

  /** The present value. Throws where the tensor was disposed of. */
  get value(): Value {
    if (this.disposed) throw refusal("DisposedTensorError", `a tensor of shape [${this.#value.shape}] was disposed of`);
    return this.#value;
  }

  get grad(): EagerTensor | null {
    return this.#grad;
  }

  set grad(gradient: EagerTensor | null) {
    this.#grad = gradient;
    if (gradient !== null) gradientOf.set(gradient, this);
  }

  get shape(): Shape {
    return this.#value.shape;
  }

  get ndim(): number {
    return this.shape.length;
  }

  get numel(): number {
    return sizeOf(this.shape);
  }

  get dtype(): string {
    return this.#value.dtype;
  }

  get isLeaf(): boolean {
    return this.#value.leaf === this;
  }

  get requiresGrad(): boolean {
    return this.#value.requiresGrad;
  }

  set requiresGrad(wanted: boolean) {
    const { data, shape, dtype } = this.value;
    if (wanted !== this.requiresGrad) this.replace(new Value(data, shape, dtype), wanted);
  }

  /** Another value from here on; what was made of the old one keeps it. */
  replace(value: Value, requiresGrad: boolean = this.requiresGrad): void {
    value.requiresGrad = requiresGrad;
    value.leaf = requiresGrad ? this : null;
    this.#value = value;
  }

  assign(given: Operand): this {
    const { shape, requiresGrad, leaf, dtype } = this.value;
    if (requiresGrad && leaf !== this) throw refusal("WgradError", "assign: only leaves have a value of their own");
    const value = operand(given);
    const target = values.broadcastShape(value.shape, shape);
    if (target === null || !sameShape(target, shape) || value.shape.length > shape.length)
      throw refusal("ShapeError", `assign: [${value.shape}] does not fit [${shape}]`);
    const data = withRecording(false, () => values.expandTo(value, shape).data);
    this.replace(new Value(dtype === "i32" ? data.map(Math.trunc) : data, shape, dtype));
    return this;
  }

  dispose(): void {
    this.disposed = true;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  data(): number[] {
    return [...this.value.data];
  }

  item(): number {
    if (this.numel !== 1) throw refusal("ShapeError", "item: not one element");
    return this.value.data[0] as number;
  }

  tolist(): Nested {
    const numbers = this.data();
    return nest(numbers, this.shape);
  }

  realize(): void {
    void this.value;
  }

  backward(gradient?: EagerTensor): void {
    const found = propagate([this.value], [seedOf(this, gradient)], false);
    const arrived = new Map<EagerTensor, Value>();
    withRecording(false, () => {
      for (const [{ leaf }, g] of found) {
        if (leaf === null) continue;
        const known = arrived.get(leaf);
        arrived.set(leaf, known === undefined ? g : values.add(known, g));
      }
      for (const [leaf, g] of arrived)
        leaf.grad = new EagerTensor(leaf.grad === null ? g : values.add(leaf.grad.value, g));
    });
  }

  // Every op makes a tensor of its own.
  detach(): EagerTensor {
    const { data, shape, dtype } = this.value;
    return new EagerTensor(new Value(data, shape, dtype));
  }
  to(_dtype: "f32"): EagerTensor {
    return this.reshape(this.shape);
  }
  dropout(_p: number, _options: { training: false }): EagerTensor {
    return this.reshape(this.shape);
  }
  add(b: Operand): EagerTensor {
    return binary("add", values.add, this, b);
  }
  sub(b: Operand): EagerTensor {
    return binary("sub", values.sub, this, b);
  }
  mul(b: Operand): EagerTensor {
    return binary("mul", values.mul, this, b);
  }
  div(b: Operand): EagerTensor {
    return binary("div", values.div, this, b);
  }
  square(): EagerTensor {
    return this.mul(this);
  }
  relu(): EagerTensor {
    return new EagerTensor(values.relu(this.value));
  }
  tanh(): EagerTensor {
    return new EagerTensor(values.tanh(this.value));
  }
  sigmoid(): EagerTensor {
    return new EagerTensor(values.sigmoid(this.value));
  }
  softmax(dim: number): EagerTensor {
    checkDim(this, dim);
    return new EagerTensor(values.softmax(this.value, dim));
  }
  normalize({ dim }: { dim: number }): EagerTensor {
    checkDim(this, dim);
    return new EagerTensor(values.normalize(this.value, dim));
  }
  sum(dim?: number, keepdim = false): EagerTensor {
    return new EagerTensor(values.sum(this.value, this.#dims(dim), keepdim));
  }
  mean(dim?: number, keepdim = false): EagerTensor {
    return new EagerTensor(values.mean(this.value, this.#dims(dim), keepdim));
  }
  /** Vectors and matrices; a vector on the left is a row, on the right a column, and its dim is not in the result. */
  matmul(b: EagerTensor): EagerTensor {
    if (this.ndim === 1) return this.unsqueeze(0).matmul(b).select(0, 0);
    if (b.ndim === 1) {
      const product = this.matmul(b.unsqueeze(1));
      return product.select(product.ndim - 1, 0);
    }
    const fits = this.ndim === 2 && b.ndim === 2 && this.value.shape[1] === b.value.shape[0];
    if (!fits) throw refusal("ShapeError", `matmul: [${this.shape}] × [${b.shape}]`);
    return new EagerTensor(values.matmul(this.value, b.value));
  }
  mv(b: EagerTensor): EagerTensor {
    checkRank("mv", this, 2);
    checkRank("mv", b, 1);
    return this.matmul(b);
  }
  dot(b: EagerTensor): EagerTensor {
    checkRank("dot", this, 1);
    checkRank("dot", b, 1);
    return this.matmul(b);
  }
  t(): EagerTensor {
    return this.permute([...this.shape.keys()].reverse());
  }
  reshape(shape: Shape): EagerTensor {
    if (sizeOf(shape) !== this.numel) throw refusal("ShapeError", `reshape: [${this.shape}] → [${shape}]`);
    return this.#view(shape, (c) => values.coordinatesOf(this.shape)[values.positionOf(c, shape)] as number[]);
  }
  permute(dims: readonly number[]): EagerTensor {
    for (const dim of dims) checkDim(this, dim);
    if (dims.length !== this.ndim) throw refusal("ShapeError", `permute: [${this.shape}] by [${dims}]`);
    return this.#view(
      dims.map((d) => this.shape[d] as number),
      (c) => this.shape.map((_, i) => c[dims.indexOf(i)] as number),
    );
  }
  flip(dims: readonly number[]): EagerTensor {
    for (const dim of dims) checkDim(this, dim);
    return this.#view(this.shape, (c) => c.map((k, i) => (dims.includes(i) ? (this.shape[i] as number) - 1 - k : k)));
  }
  narrow(dim: number, start: number, length: number): EagerTensor {
    checkPart("narrow", this, dim);
    if (start + length > (this.shape[dim] as number)) throw refusal("RangeError", `narrow: beyond [${this.shape}]`);
    return this.#view(
      this.shape.map((n, i) => (i === dim ? length : n)),
      (c) => c.map((k, i) => (i === dim ? k + start : k)),
    );
  }
  slice(...ranges: readonly (readonly [number | undefined, number | undefined])[]): EagerTensor {
    if (ranges.length > this.ndim) throw refusal("ShapeError", `slice: ${ranges.length} dims of [${this.shape}]`);
    return ranges.reduce((x: EagerTensor, [start = 0, end], dim) => {
      const n = x.shape[dim] as number;
      return x.narrow(dim, start, Math.min(end ?? n, n) - start);
    }, this);
  }
  select(dim: number, index: number): EagerTensor {
    checkPart("select", this, dim);
    if (index >= (this.shape[dim] as number)) throw refusal("RangeError", `select: ${index} of [${this.shape}]`);
    return this.#view(
      this.shape.filter((_, i) => i !== dim),
      (c) => c.toSpliced(dim, 0, index),
    );
  }
  unsqueeze(dim: number): EagerTensor {
    return this.reshape(this.shape.toSpliced(dim, 0, 1));
  }
  expand(shape: Shape): EagerTensor {
    const target = this.ndim > shape.length ? null : values.broadcastShape(this.shape, shape);
    if (target === null || !sameShape(target, shape))
      throw refusal("ShapeError", `expand: [${this.shape}] to [${shape}]`);
    return this.#view(shape, (c) =>
      this.shape.map((n, i) => (n === 1 ? 0 : (c[i + shape.length - this.ndim] as number))),
    );
  }

  #dims(dim: number | undefined): number[] {
    if (dim === undefined) return [...this.shape.keys()];
    checkDim(this, dim);
    return [dim];
  }

  #view(shape: Shape, from: (coordinates: number[]) => number[]): EagerTensor {
    const positions = values.coordinatesOf(shape).map((c) => values.positionOf(from(c), this.shape));
    return new EagerTensor(values.take(this.value, positions, shape));
  }
}

function nest(numbers: readonly number[], [n, ...rest]: Shape): Nested {
  if (n === undefined) return numbers[0] as number;
  const size = sizeOf(rest);
  return Array.from({ length: n }, (_, i) => nest(numbers.slice(i * size, (i + 1) * size), rest));
}

/** A scalar has one dim to reduce over, and none to take a part of. */
function checkDim(x: EagerTensor, dim: number): void {
  if (dim >= Math.max(x.ndim, 1)) throw refusal("RangeError", `dim ${dim} of [${x.shape}]`);
}

function checkPart(op: string, x: EagerTensor, dim: number): void {
  if (x.ndim === 0) throw refusal("ShapeError", `${op}: a scalar has no parts`);
  checkDim(x, dim);
}

export function checkRank(op: string, x: EagerTensor, ndim: number): void {
  if (x.ndim !== ndim) throw refusal("ShapeError", `${op}: [${x.shape}] has not ${ndim} dims`);
}

function operand(x: Operand): Value {
  return typeof x === "number" ? values.full([], x) : x.value;
}

function binary(op: string, f: (a: Value, b: Value) => Value, a: EagerTensor, b: Operand): EagerTensor {
  const [x, y] = [a.value, operand(b)];
  if (values.broadcastShape(x.shape, y.shape) === null)
    throw refusal("ShapeError", `${op}: [${x.shape}] and [${y.shape}]`);
  return new EagerTensor(f(x, y));
}

function seedOf(output: EagerTensor, gradient: EagerTensor | undefined): Value {
  if (!output.requiresGrad) throw refusal("WgradError", "the tensor depends on nothing with requiresGrad");
  if (gradient !== undefined) return gradient.value;
  if (output.numel !== 1) throw refusal("ShapeError", "only a scalar has a gradient of its own");
  return values.full(output.shape, 1);
}

interface Options {
  readonly shape?: Shape;
  readonly requiresGrad?: boolean;
}

export function tensor(given: Nested | Float32Array | Int32Array, options: Options = {}): EagerTensor {
  const shape: number[] = [];
  for (let part: unknown = given; Array.isArray(part); part = part[0]) shape.push(part.length);
  const integers = given instanceof Int32Array;
  const numbers = typeof given === "number" ? [given] : [...given].flat(9);
  const ownShape = Array.isArray(given) || typeof given === "number" ? shape : [numbers.length];
  const value = values.constant(
    (numbers as number[]).map(integers ? Math.trunc : Math.fround),
    options.shape ?? ownShape,
    integers ? "i32" : "f32",
  );
  const result = new EagerTensor(value);
  if (options.requiresGrad) result.requiresGrad = true;
  return result;
}

export function full(shape: Shape, number: number, options: Options = {}): EagerTensor {
  return tensor(new Float32Array(sizeOf(shape)).fill(number), { ...options, shape });
}

export function zeros(shape: Shape, options: Options = {}): EagerTensor {
  return full(shape, 0, options);
}

export function ones(shape: Shape, options: Options = {}): EagerTensor {
  return full(shape, 1, options);
}

export function noGrad<T>(run: () => T): T {
  return withRecording(false, run);
}

/** Calls `visit` with every tensor in a value, and puts what it returns in its place. */
function mapTensors(value: unknown, visit: (x: EagerTensor) => EagerTensor): unknown {
  if (value instanceof EagerTensor) return visit(value);
  if (Array.isArray(value)) return value.map((part) => mapTensors(part, visit));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, mapTensors(part, visit)]));
}

export function scope<T>(run: () => T): T {
  const inside = new Set<EagerTensor>();
  const kept = new Set<EagerTensor>();
  scopes.push(inside);
  try {
    const result = run();
    mapTensors(result, (x) => {
      kept.add(x);
      return x;
    });
    return result;
  } finally {
    scopes.pop();
    const freed = [...inside].filter((x) => !kept.has(x));
    const gone = new Set(freed);
    for (const x of freed) {
      const leaf = gradientOf.get(x);
      const outlives = leaf !== undefined && leaf.grad === x && !leaf.disposed && !gone.has(leaf);
      if (!outlives) x.dispose();
    }
  }
}

/** As the plain call, save that results are cut off from the graph and tensors of their own. */
export function compile<Arguments extends unknown[], Result>(
  step: (...given: Arguments) => Result,
): (...given: Arguments) => Result {
  return (...given) => mapTensors(step(...given), (x) => x.detach()) as Result;
}

export function grad(output: EagerTensor, inputs: readonly EagerTensor[]): EagerTensor[] {
  const found = propagate([output.value], [seedOf(output, undefined)], true);
  return inputs.map((x) => {
    const { value } = x;
    const parts = [...found].flatMap(([v, g]) => (v === value || (value.leaf !== null && v.leaf === x) ? [g] : []));
    return new EagerTensor(withRecording(true, () => parts.reduce(values.add, values.full(x.shape, 0))));
  });
}

export function realize(...tensors: EagerTensor[]): void {
  for (const x of tensors) x.realize();
}
