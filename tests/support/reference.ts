// The judge of values: interprets graphs in float64 on the host, by the definitions' own references and index functions.

import { castNumber, type DType, fromHalfBits, isFloat, NO_VALUE } from "../../src/base/dtype.ts";
import { type Shape, sizeOf, stridesOf } from "../../src/base/shape.ts";
import {
  evaluateCondition,
  evaluateIndex,
  type Index,
  linearIndex,
  variable,
} from "../../src/graph/index-expression.ts";
import type { KernelOutput } from "../../src/graph/kernel-program.ts";
import type { Node } from "../../src/graph/node.ts";
import type { Tensor } from "../../src/graph/tensor.ts";

/** Values of nodes, row-major; bool as 0 and 1. */
export type Values = ReadonlyMap<Node, Float64Array>;

/**
 * Values of `tensors` in float64: f32 and f16 are not rounded between ops, integers wrap as on the device. `given` replaces the
 * values of the nodes that it names; sources without host data must be among them. Results that a device left behind are not looked
 * at.
 */
export function interpret(tensors: readonly Tensor[], given: Values = new Map()): Float64Array[] {
  const values = new Map<Node, Float64Array>(given);
  for (const node of producersFirst(tensors, given)) values.set(node, evaluate(node, values));
  return tensors.map((t) => knownValue(values, t.node));
}

/** The nodes to compute, each after its inputs. */
function producersFirst(tensors: readonly Tensor[], given: Values): Node[] {
  const found = new Set<Node>();
  const stack = tensors.map((t) => t.node);
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (found.has(node) || given.has(node)) continue;
    found.add(node);
    stack.push(...node.inputs);
  }
  // A node is younger than what it was made of.
  return [...found].sort((a, b) => a.id - b.id);
}

function knownValue(values: Values, node: Node): Float64Array {
  const value = values.get(node);
  if (value === undefined) throw new Error(`node ${node.id} (${node.definition.name}) has no value`);
  return value;
}

function evaluate(node: Node, values: Values): Float64Array {
  const inputs = node.inputs.map((input) => knownValue(values, input));
  const { definition, shape, dtype } = node;
  switch (definition.kind) {
    case "source":
      return hostValues(node);
    case "constant":
      return Float64Array.of(castNumber(node.attributes[0] as number, dtype));
    case "iota":
      return Float64Array.from({ length: sizeOf(shape) }, (_, i) => i);
    case "alias":
      return inputs[0] as Float64Array;
    case "elementwise":
      return elementwise(node, definition.reference, inputs);
    case "view": {
      const { places, fill } = tableOf(node, () => viewTable(node));
      const input = inputs[0] as Float64Array;
      return Float64Array.from(places, (place) => (place < 0 ? fill : (input[place] as number)));
    }
    case "reduce": {
      const result = new Float64Array(sizeOf(shape)).fill(definition.identity(dtype));
      const { places } = tableOf(node, () => broadcastTable((node.inputs[0] as Node).shape, shape));
      const input = inputs[0] as Float64Array;
      for (let i = 0; i < input.length; i++) {
        const place = places[i] as number;
        result[place] = definition.reference(result[place] as number, input[i] as number);
      }
      return rounded(result, dtype);
    }
    case "gather":
      return gathered(node, inputs);
    case "pack": {
      const result = new Float64Array(sizeOf(shape));
      inputs.forEach((input, i) => {
        result.set(input, node.attributes[i] as number);
      });
      return result;
    }
    case "kernel": {
      const { program } = definition;
      if (program.reference === null) throw new Error(`the kernel ${program.name} has no reference`);
      const outputs = program.outputs(node.inputs, node.attributes);
      const results = program.reference(inputs, { inputs: node.inputs, outputs, attributes: node.attributes });
      return Float64Array.from(
        results.flatMap((values, i) => [...rounded(values, (outputs[i] as KernelOutput).dtype)]),
      );
    }
    case "result":
      return resultOf(node, inputs[0] as Float64Array);
    default:
      return definition satisfies never;
  }
}

/** One output of a kernel, whose value is all of them one behind the other. */
function resultOf(node: Node, all: Float64Array): Float64Array {
  const { definition, inputs, attributes } = node.inputs[0] as Node;
  if (definition.kind !== "kernel") throw new Error(`a result of ${definition.name}`);
  const sizes = definition.program.outputs(inputs, attributes).map(({ shape }) => sizeOf(shape));
  const number = node.attributes[0] as number;
  const start = sizes.slice(0, number).reduce((sum, size) => sum + size, 0);
  return all.slice(start, start + (sizes[number] as number));
}

/** What a source's host bytes stand for. */
function hostValues(node: Node): Float64Array {
  const host = node.storage?.host;
  if (!host) throw new Error(`node ${node.id} is a source of ${node.dtype} without host data`);
  const count = sizeOf(node.shape);
  const start = host.byteOffset + node.offset;
  switch (node.dtype) {
    case "f32":
      return Float64Array.from(new Float32Array(host.buffer, start, count));
    case "f16":
      return Float64Array.from(new Uint16Array(host.buffer, start, count), fromHalfBits);
    case "i32":
      return Float64Array.from(new Int32Array(host.buffer, start, count));
    case "u32":
    case "bool":
      return Float64Array.from(new Uint32Array(host.buffer, start, count));
    default:
      return node.dtype satisfies never;
  }
}

/** Integers and bool as the dtype holds them; floats stay in float64. */
function rounded(values: Float64Array, dtype: DType): Float64Array {
  return isFloat(dtype) ? values : values.map((v) => castNumber(v, dtype));
}

/** Products of integers beyond 2^53 wrap exactly. */
const exactIntegers: Readonly<Record<string, (x: number, y: number) => number>> = {
  mul: Math.imul,
  square: (x) => Math.imul(x, x),
  cube: (x) => Math.imul(Math.imul(x, x), x),
};

function elementwise(
  node: Node,
  reference: (...operands: number[]) => number,
  inputs: readonly Float64Array[],
): Float64Array {
  const exact = isFloat(node.dtype) ? undefined : exactIntegers[node.definition.name];
  const apply =
    exact === undefined ? reference : (...operands: number[]) => exact(operands[0] as number, operands[1] as number);
  const tables = tableOf(node, () => node.inputs.map((input) => broadcastTable(node.shape, input.shape).places));
  const count = sizeOf(node.shape);
  const result = new Float64Array(count);
  const operands = new Array<number>(inputs.length);
  for (let i = 0; i < count; i++) {
    for (let k = 0; k < operands.length; k++) {
      operands[k] = (inputs[k] as Float64Array)[(tables[k] as Int32Array)[i] as number] as number;
    }
    result[i] = apply(...operands);
  }
  return rounded(result, node.dtype);
}

function gathered(node: Node, inputs: readonly Float64Array[]): Float64Array {
  const [data, index] = inputs as [Float64Array, Float64Array];
  const source = node.inputs[0] as Node;
  const dim = node.attributes[0] as number;
  const strides = stridesOf(source.shape);
  const result = new Float64Array(sizeOf(node.shape));
  eachCoordinate(node.shape, (coordinates, i) => {
    const at = index[i] as number;
    const inside = at >= 0 && at < (source.shape[dim] as number);
    const place = coordinates.reduce((sum, c, d) => sum + (d === dim ? at : c) * (strides[d] as number), 0);
    result[i] = inside ? (data[place] as number) : NO_VALUE[node.dtype];
  });
  return result;
}

/** Which element of the input each element of the output is; -1 where `fill` stands instead. */
interface Table {
  readonly places: Int32Array;
  readonly fill: number;
}

// Where elements come from doesn't depend on their values: tables are made once per node.
const tables = new WeakMap<Node, unknown>();

function tableOf<T>(node: Node, make: () => T): T {
  let table = tables.get(node) as T | undefined;
  if (table === undefined) {
    table = make();
    tables.set(node, table);
  }
  return table;
}

/** Calls `visit` with the coordinates of every element, row-major. The array is reused. */
function eachCoordinate(shape: Shape, visit: (coordinates: readonly number[], i: number) => void): void {
  const count = sizeOf(shape);
  const coordinates = new Array<number>(shape.length).fill(0);
  for (let i = 0; i < count; i++) {
    visit(coordinates, i);
    for (let d = shape.length - 1; d >= 0; d--) {
      const next = (coordinates[d] as number) + 1;
      coordinates[d] = next < (shape[d] as number) ? next : 0;
      if (next < (shape[d] as number)) break;
    }
  }
}

/** For every element of `large`, the element of `small` that broadcasts to it. */
function broadcastTable(large: Shape, small: Shape): Table {
  const offset = large.length - small.length;
  const own = stridesOf(small);
  const strides = large.map((_, d) => (d < offset || small[d - offset] === 1 ? 0 : (own[d - offset] as number)));
  const places = new Int32Array(sizeOf(large));
  eachCoordinate(large, (coordinates, i) => {
    places[i] = coordinates.reduce((sum, c, d) => sum + c * (strides[d] as number), 0);
  });
  return { places, fill: 0 };
}

function viewTable(node: Node): Table {
  const { definition, shape } = node;
  if (definition.kind !== "view") throw new Error(`${definition.name} is no view`);
  const input = (node.inputs[0] as Node).shape;
  const variables: Index[] = shape.map((n, d) => variable(`c${d}`, n));
  const source = definition.index(variables, node.attributes, input, shape);
  const linear = linearIndex(source.coordinates, stridesOf(input));
  const conditions = source.conditions ?? [];
  const places = new Int32Array(sizeOf(shape));
  const values = new Map<string, number>();
  eachCoordinate(shape, (coordinates, i) => {
    coordinates.forEach((c, d) => {
      values.set(`c${d}`, c);
    });
    places[i] = conditions.every((c) => evaluateCondition(c, values)) ? evaluateIndex(linear, values) : -1;
    if ((places[i] as number) >= sizeOf(input))
      throw new Error(`${definition.name} reads element ${places[i]} of ${sizeOf(input)}`);
  });
  return { places, fill: source.fill ?? 0 };
}
