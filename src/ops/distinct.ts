// Reading and writing by indices that are all different along their dim: what sorting gives. Gradients need no sums then.

import { sizeOf } from "../base/shape.ts";
import { defineGather } from "../graph/gather.ts";
import type { KernelProgram, ValueType } from "../graph/kernel-program.ts";
import { record, recordKernel, type Tensor } from "../graph/tensor.ts";
import { defineKernel } from "../shaders/hand-written.ts";
import { withSize } from "./arguments.ts";
import { ge, where } from "./arithmetic.ts";
import { maximum } from "./comparison.ts";
import { constant } from "./define.ts";
import { gatherAlong } from "./gathering.ts";
import { forEachInvocation } from "./index-kernels.ts";
import { derivativeOf, withDerivative } from "./memory.ts";
import { expand } from "./views.ts";

/** Attributes: dim, size along it. */
type Where = readonly [dim: number, size: number];

/** For each place along the dim which index names it; what no index names keeps the initial content. */
const placesProgram: KernelProgram = {
  name: "places",
  inputs: ["index", null],
  outputs: ([index, initial], attributes) => {
    const [dim, size] = attributes as unknown as Where;
    const shape = withSize((index as ValueType).shape, dim, size);
    return [{ name: "places", shape, dtype: "i32", ...(initial === undefined ? {} : { initial: 1 }) }];
  },
  write: ({ inputs, attributes }) => {
    const { shape } = inputs[0] as ValueType;
    const [dim, size] = attributes as unknown as Where;
    const inner = sizeOf(shape.slice(dim + 1));
    const count = shape[dim] as number;
    const body = `
let outer = i / ${count * inner}u;
let number = i / ${inner}u % ${count}u;
places[(outer * ${size}u + u32(index[i])) * ${inner}u + i % ${inner}u] = i32(number);`;
    return forEachInvocation(sizeOf(shape), body);
  },
  reference: ([index, initial], call) => {
    const { shape } = call.inputs[0] as ValueType;
    const [dim, size] = call.attributes as unknown as Where;
    const inner = sizeOf(shape.slice(dim + 1));
    const count = shape[dim] as number;
    const places = initial?.slice() ?? new Float64Array((sizeOf(shape) / count) * size);
    index?.forEach((place, i) => {
      const outer = Math.floor(i / (count * inner));
      places[(outer * size + place) * inner + (i % inner)] = Math.floor(i / inner) % count;
    });
    return [places];
  },
};

const placesDefinition = defineKernel(placesProgram);

const pickDefinition = defineGather((g, _out, [x, index], [dim]) => [
  spread(g, dim as number, index as Tensor, (x as Tensor).shape[dim as number] as number),
  null,
]);

const spreadDerivative = derivativeOf("spread", (g, _out, [, , index], [dim]) => [
  null,
  pickDistinct(g, dim as number, index as Tensor),
  null,
]);

/** Elements of `x` along `dim` by an index in its shape but for `dim`, in which none comes twice. */
export function pickDistinct(x: Tensor, dim: number, index: Tensor): Tensor {
  return record(pickDefinition, [x, index], index.shape, x.dtype, [dim]);
}

/** The transpose of `pickDistinct`: the elements of `x` at the places along `dim` that the index names, 0 elsewhere. */
export function spread(x: Tensor, dim: number, index: Tensor, size: number): Tensor {
  const attributes = [dim, size];
  if (index.shape[dim] === size) {
    const [places] = recordKernel(placesDefinition, [index], attributes) as [Tensor];
    return pickDistinct(x, dim, places);
  }
  const shape = withSize(index.shape, dim, size);
  const none = expand(constant(-1, "i32"), shape);
  const [places] = recordKernel(placesDefinition, [index, none], attributes) as [Tensor];
  const found = where(ge(places, 0), gatherAlong(x, dim, maximum(places, 0)), constant(0, x.dtype));
  return withDerivative(spreadDerivative, found, [x, index], [dim]);
}
