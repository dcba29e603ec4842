// Sums of parts: gradients of slices that lie side by side in one value already.

import { type Shape, sameShape, sizeOf, stridesOf } from "../base/shape.ts";
import type { Make, SumRewriter, Value, ViewDefinition } from "./definition.ts";
import {
  addIndex,
  type Condition,
  constantIndex,
  decideCondition,
  delinearize,
  type Index,
  linearIndex,
  scaleIndex,
  substitute,
  variable,
} from "./index-expression.ts";
import type { Node } from "./node.ts";

/** Coordinates low … high - 1 of a dim. */
interface Range {
  readonly dim: number;
  readonly low: number;
  readonly high: number;
}

/** `value` shows elements of `base` where low ≤ coordinate of `dim` < high, and is 0 elsewhere. */
interface Part extends Range {
  readonly base: Value;
  /** Element (i, j, …) is element start + i·strides[0] + … of the base, row-major, where `dim` is counted from `low`. */
  readonly start: number;
  readonly strides: readonly number[];
}

/** Element (i, j, …) is element offset + i·strides[0] + …, row-major: attributes are the offset, then the strides. */
const STRIDED: ViewDefinition = {
  kind: "view",
  name: "strided",
  index: (coordinates, attributes, input) => {
    const terms = coordinates.map((c, i) => scaleIndex(c, attributes[i + 1] as number));
    const linear = terms.reduce(addIndex, constantIndex(attributes[0] as number));
    return { coordinates: delinearize(linear, input) };
  },
  derivative: () => [null],
};

function partOf(value: Value): Part | null {
  let base = value;
  let at: readonly Index[] = value.shape.map((n, i) => variable(`v${i}`, n));
  let range: Range | null = null;
  for (let input = base.inputs[0]; input !== undefined; input = base.inputs[0]) {
    const { definition } = base;
    if (definition.kind === "view") {
      const source = definition.index(at, base.attributes, input.shape, base.shape);
      at = source.coordinates;
      for (const condition of source.conditions ?? []) {
        if (decideCondition(condition) === true) continue;
        const found: Range | null = range === null && (source.fill ?? 0) === 0 ? rangeOf(condition, value.shape) : null;
        if (found === null) return null;
        range = found;
        // From here on within the range, counted from its start.
        const inside = addIndex(variable(`v${found.dim}`, found.high - found.low), constantIndex(found.low));
        at = at.map((index) => substitute(index, new Map([[`v${found.dim}`, inside]])));
      }
    } else if (definition.kind !== "alias") break;
    base = input;
  }
  if (range === null) return null;
  const linear = linearIndex(at, stridesOf(base.shape));
  if (!linear.terms.every(({ atom }) => atom.kind === "variable")) return null;
  const strides = value.shape.map((_, i) => linear.terms.find(({ atom }) => atom.key === `v${i}`)?.factor ?? 0);
  return { base, ...range, start: linear.constant, strides };
}

/** The coordinates that a condition leaves, where it is one on a single coordinate. */
function rangeOf(condition: Condition, shape: readonly number[]): Range | null {
  if (condition.kind !== "range") return null;
  const { terms, constant } = condition.index;
  const [term] = terms;
  if (term === undefined || terms.length > 1 || term.factor !== 1 || term.atom.kind !== "variable") return null;
  const dim = Number(term.atom.key.slice(1));
  const low = Math.max(condition.low - constant, 0);
  const high = Math.min(condition.high - constant, shape[dim] as number);
  return low < high ? { dim, low, high } : null;
}

/** Knows the sums of parts of one program. A sum whose parts lie side by side in one value already is a view of it. */
export class PartSums implements SumRewriter {
  readonly #known = new Map<Value, readonly Part[]>();

  #partsOf(value: Value): readonly Part[] {
    const known = this.#known.get(value);
    if (known !== undefined) return known;
    const part = value.definition.kind === "view" ? partOf(value) : null;
    return part === null ? [] : [part];
  }

  /** The parts of x + y, where both are made of parts of one value along one dim. */
  #joined(x: Value, y: Value): readonly Part[] {
    const [a, b] = [this.#partsOf(x), this.#partsOf(y)];
    const first = a[0];
    if (first === undefined || b.length === 0) return [];
    const parts = [...a, ...b].sort((p, q) => p.low - q.low);
    const fits = parts.every(
      (p, i) =>
        p.base === first.base &&
        p.dim === first.dim &&
        p.strides.every((s, d) => d === p.dim || s === first.strides[d]) &&
        (i === 0 || (parts[i - 1] as Part).high <= p.low),
    );
    return fits ? parts : [];
  }

  rewrite({ shape, dtype, definition, attributes }: Node, inputs: readonly Value[], make: Make): Value | null {
    const [x, y] = inputs;
    if (definition.kind !== "elementwise" || definition.adds !== true || x === undefined || y === undefined)
      return null;
    if (![x, y].every((v) => sameShape(v.shape, shape) && v.dtype === dtype)) return null;
    const parts = this.#joined(x, y);
    const [first] = parts;
    const strides = stridesOfWhole(parts, shape);
    if (first !== undefined && strides !== null)
      return make(STRIDED, [first.base], shape, dtype, [first.start, ...strides], null);
    const sum = make(definition, inputs, shape, dtype, attributes, null);
    if (parts.length > 0) this.#known.set(sum, parts);
    return sum;
  }
}

/** The strides in their base of parts that are all of a value of that shape; null where something is missing, or lies elsewhere. */
function stridesOfWhole(parts: readonly Part[], shape: Shape): readonly number[] | null {
  const [first, second] = parts;
  if (first === undefined || second === undefined) return null;
  const { base, dim, strides } = first;
  const long = parts.find((p) => p.high - p.low > 1);
  // Of parts that are one element thick, two tell the stride.
  const step = long?.strides[dim] ?? (second.start - first.start) / (second.low - first.low);
  let next = 0;
  for (const part of parts) {
    const { low, high } = part;
    if (low !== next || part.start !== first.start + step * low) return null;
    if (high - low > 1 && part.strides[dim] !== step) return null;
    next = high;
  }
  if (next !== shape[dim] || step <= 0 || sizeOf(shape) > sizeOf(base.shape)) return null;
  return strides.map((s, d) => (d === dim ? step : s));
}
