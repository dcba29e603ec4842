// A program: the graph of one run, captured apart from the user's tensors, with its cache key, and simplified.

import { bytesOf, castNumber, type DType, isFloat } from "../base/dtype.ts";
import { DisposedTensorError, internal } from "../base/errors.ts";
import { formatShape, type Shape, sameShape, sizeOf } from "../base/shape.ts";
import {
  type Again,
  type Definition,
  type ElementwiseDefinition,
  type KernelDefinition,
  type Leaf,
  type Make,
  type Reads,
  type SumRewriter,
  Value,
} from "./definition.ts";
import { constantIndex, type Index } from "./index-expression.ts";
import type { KernelProgram } from "./kernel-program.ts";
import { CONSTANT, COPY, type Node, type Recomputation, SOURCE } from "./node.ts";
import type { Storage } from "./storage.ts";

/** Where an output of a program goes: a buffer of its own, a slot that it overwrites (leaf buffer index), or the shared results. */
export type Destination =
  | { readonly kind: "new" }
  | { readonly kind: "slot"; readonly storage: number; readonly index: number };

export interface Output {
  readonly value: Value;
  readonly destination: Destination;
}

export interface Program {
  readonly outputs: readonly Output[];
  /** Number of buffer leaves and of scalars. */
  readonly buffers: number;
  readonly scalars: readonly DType[];
  /** Per buffer leaf: number of its storage, and offset in it. */
  readonly storages: readonly number[];
  readonly offsets: readonly number[];
}

/** A request to a run: a node's value in a new buffer, or written into a slot. */
export interface Request {
  readonly node: Node;
  readonly slot: { readonly storage: Storage; readonly offset: number } | null;
}

/** The graph behind some requests, flat, with everything that a cached plan must agree on. */
export interface Capture {
  readonly requests: readonly Request[];
  readonly nodes: readonly Node[];
  /** Leaves that are bound as buffers; requests' slots that no node reads come last. */
  readonly buffers: readonly { readonly storage: Storage; readonly offset: number; readonly node: Node | null }[];
  /** Leaves of one element that live on the host: numbers in the scalar block. */
  readonly scalars: readonly Node[];
  /** Constants in order; those that change between runs become scalars. */
  readonly constants: readonly Node[];
  /** Passes that compute values again, numbered from 1. */
  readonly recomputations: ReadonlyMap<Recomputation, number>;
  /** Structure as numbers, constants' values left out. */
  readonly key: Float64Array;
  readonly hash: number;
  readonly destinations: readonly Destination[];
}

const definitionIds = new WeakMap<Definition | KernelProgram, number>();
let nextDefinition = 1;

function definitionId(definition: Definition): number {
  // Kernels that differ in their derivative alone compute the same.
  const meaning = definition.kind === "kernel" ? definition.program : definition;
  let id = definitionIds.get(meaning);
  if (id === undefined) {
    id = nextDefinition++;
    definitionIds.set(meaning, id);
  }
  return id;
}

const dtypeIds: Record<DType, number> = { f32: 0, f16: 1, i32: 2, u32: 3, bool: 4 };

let keyBuffer = new Float64Array(1 << 12);

/** Whether the node has its value. Throws if the value could not be computed, or was given up. */
export function isRealized(node: Node): boolean {
  const { storage } = node;
  if (storage === null) return false;
  if (storage.freed) {
    throw new DisposedTensorError(
      `a tensor of shape ${formatShape(node.shape)} that this result depends on was disposed of.`,
    );
  }
  if (storage.missing.size > 0) storage.check(node.offset, sizeOf(node.shape) * bytesOf(node.dtype));
  return true;
}

/** Returns the inputs of a node's value. Further inputs of an alias serve its derivative only. */
function valueInputs(node: Node): readonly Node[] {
  return node.definition.kind === "alias" && node.inputs.length > 1 ? node.inputs.slice(0, 1) : node.inputs;
}

/** Calls `finish` for all that `root` is computed from and that is not known yet, inputs first. `finish` makes a node known. */
function inputsFirst(root: Node, isKnown: (node: Node) => boolean, finish: (node: Node) => void): void {
  // A stack of its own, because graphs may be deeper than JavaScript's.
  const stack = [root];
  for (let top = stack[stack.length - 1]; top !== undefined; top = stack[stack.length - 1]) {
    const known = stack.length;
    if (!isKnown(top) && !isRealized(top)) {
      const inputs = valueInputs(top);
      for (let i = inputs.length - 1; i >= 0; i--) {
        const input = inputs[i] as Node;
        if (!isKnown(input)) stack.push(input);
      }
      const after = top.recomputation?.after;
      if (after !== undefined && after.storage === null && !isKnown(after)) stack.push(after);
    }
    if (stack.length > known) continue;
    stack.pop();
    if (!isKnown(top)) finish(top);
  }
}

/** Flattens the graph behind `requests` in topological order and makes its key. */
export function capture(requests: readonly Request[]): Capture {
  const positions = new Map<Node, number>();
  const nodes: Node[] = [];
  const storages = new Map<Storage, number>();
  const overwritten = new Set<Storage>();
  for (const { slot } of requests) if (slot !== null) overwritten.add(slot.storage);
  const buffers: { storage: Storage; offset: number; node: Node | null }[] = [];
  const scalars: Node[] = [];
  const constants: Node[] = [];
  const recomputations = new Map<Recomputation, number>();
  let length = 0;
  const push = (value: number) => {
    if (length === keyBuffer.length) {
      const larger = new Float64Array(length * 2);
      larger.set(keyBuffer);
      keyBuffer = larger;
    }
    keyBuffer[length++] = value;
  };
  const storageIndex = (storage: Storage): number => {
    let index = storages.get(storage);
    if (index === undefined) {
      index = storages.size;
      storages.set(storage, index);
    }
    return index;
  };
  const pushShape = (shape: Shape) => {
    push(shape.length);
    for (const n of shape) push(n);
  };
  const finish = (node: Node) => {
    const { definition } = node;
    if (isRealized(node)) {
      const storage = node.storage as Storage;
      push(-1);
      push(dtypeIds[node.dtype]);
      pushShape(node.shape);
      if (
        storage.host !== null &&
        storage.byteLength === 4 &&
        node.dtype !== "f16" &&
        storage.device === null &&
        !overwritten.has(storage)
      ) {
        push(-2);
        scalars.push(node);
      } else {
        push(storageIndex(storage));
        push(node.offset);
        buffers.push({ storage, offset: node.offset, node });
      }
    } else if (definition === CONSTANT) {
      push(-3);
      push(dtypeIds[node.dtype]);
      constants.push(node);
    } else {
      if (definition === SOURCE) throw internal("a source without storage");
      push(definitionId(definition));
      push(dtypeIds[node.dtype]);
      pushShape(node.shape);
      push(node.attributes.length);
      for (const a of node.attributes) push(a);
      for (const input of valueInputs(node)) push(positions.get(input) as number);
      const { recomputation } = node;
      if (recomputation !== null) {
        let pass = recomputations.get(recomputation);
        if (pass === undefined) {
          pass = recomputations.size + 1;
          recomputations.set(recomputation, pass);
        }
        push(-5);
        push(pass);
        push(positions.get(recomputation.after) ?? -1);
      }
    }
    positions.set(node, nodes.length);
    nodes.push(node);
  };
  for (const { node } of requests) inputsFirst(node, (n) => positions.has(n), finish);
  const destinations: Destination[] = requests.map(({ node, slot }) => {
    push(positions.get(node) as number);
    if (slot === null) {
      push(-4);
      return { kind: "new" };
    }
    const storage = storageIndex(slot.storage);
    push(storage);
    push(slot.offset);
    buffers.push({ storage: slot.storage, offset: slot.offset, node: null });
    return { kind: "slot", storage, index: buffers.length - 1 };
  });
  const key = keyBuffer.slice(0, length);
  let hash = 0x811c9dc5;
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ (key[i] as number), 0x01000193) ^ (hash >>> 13);
  return { requests, nodes, buffers, scalars, constants, recomputations, key, hash, destinations };
}

/** Builds the program of a capture: constants in `promoted` become scalars, behind the captured ones. */
export function buildProgram(captured: Capture, promoted: readonly boolean[], optimize: boolean): Program {
  const values = new Map<Node, Value>();
  const known = new Map<string, Value>();
  let next = 0;
  /** Mark of the node at hand. */
  let again: Again | null = null;
  const make = (
    definition: Definition,
    inputs: readonly Value[],
    shape: Shape,
    dtype: DType,
    attributes: readonly number[],
    leaf: Leaf | null,
    bound: ((inputs: readonly Value[]) => readonly Value[]) | null = null,
  ): Value => {
    const leafKey = leaf === null ? "" : `${leaf.kind}${leaf.index}`;
    const mark = definition === CONSTANT ? null : again;
    const numbers = attributes.map((n) => (Object.is(n, -0) ? "-0" : n));
    const key = `${definitionId(definition)}|${dtype}|${shape.join()}|${numbers.join()}|${inputs.map((v) => v.id).join()}|${leafKey}|${mark?.pass ?? ""}`;
    const same = known.get(key);
    if (same !== undefined) return same;
    const own = bound === null ? inputs : bound(inputs);
    const value = new Value(next++, definition, own, shape, dtype, attributes, leaf, mark);
    known.set(key, value);
    return value;
  };
  const makeKernel = (definition: KernelDefinition, node: Node, inputs: readonly Value[]): Value =>
    make(definition, inputs, node.shape, node.dtype, node.attributes, null, () =>
      definition.bindable(inputs, node.attributes, (input, distinct) =>
        make(COPY, [input], input.shape, input.dtype, [distinct ? -0.5 - next : -0.5], null),
      ),
    );
  const packed = new Set<Value>();
  /** A value cannot lie in two packs. */
  const apart = (inputs: readonly Value[]): readonly Value[] =>
    inputs.map((input) => {
      const own = packed.has(input) ? make(COPY, [input], input.shape, input.dtype, [-0.5 - next], null) : input;
      packed.add(own);
      return own;
    });
  let sums: SumRewriter | null = null;
  const buffersByNode = new Map<Node, number>();
  const storages = new Map<Storage, number>();
  captured.buffers.forEach(({ storage, node }, i) => {
    if (!storages.has(storage)) storages.set(storage, storages.size);
    if (node !== null) buffersByNode.set(node, i);
  });
  const scalarDTypes: DType[] = captured.scalars.map((n) => n.dtype);
  const scalarsByNode = new Map<Node, number>(captured.scalars.map((n, i) => [n, i]));
  captured.constants.forEach((node, i) => {
    if (!promoted[i]) return;
    scalarsByNode.set(node, scalarDTypes.length);
    scalarDTypes.push(node.dtype);
  });
  for (const node of captured.nodes) {
    const scalar = scalarsByNode.get(node);
    const buffer = buffersByNode.get(node);
    let value: Value;
    if (scalar !== undefined) value = make(SOURCE, [], node.shape, node.dtype, [], { kind: "scalar", index: scalar });
    else if (buffer !== undefined) {
      const storage = storages.get((captured.buffers[buffer] as Capture["buffers"][number]).storage) as number;
      value = make(SOURCE, [], node.shape, node.dtype, [], { kind: "buffer", index: buffer, storage });
    } else {
      const inputs = valueInputs(node).map((input) => values.get(input) as Value);
      const { recomputation } = node;
      if (recomputation !== null) {
        const pass = captured.recomputations.get(recomputation) as number;
        again = { pass, after: values.get(recomputation.after) ?? null };
      }
      const { definition } = node;
      const before = next;
      if (definition.kind === "view") sums ??= definition.sums?.() ?? null;
      value =
        definition.kind === "kernel"
          ? makeKernel(definition, node, inputs)
          : ((optimize ? (simplify(node, inputs, make) ?? sums?.rewrite(node, inputs, make)) : null) ??
            make(
              definition,
              inputs,
              node.shape,
              node.dtype,
              node.attributes,
              null,
              definition.kind === "pack" ? apart : null,
            ));
      again = null;
      if (value.id >= before) value.asked = node.asked;
    }
    values.set(node, value);
  }
  const taken = new Set<Value>();
  const outputs = captured.requests.map(({ node }, i) => {
    const value = values.get(node) as Value;
    const base = sameBytes(value);
    // These get copies: a leaf that the same run may overwrite, a constant without bytes, and an output that stands twice.
    const own =
      base.leaf !== null || base.definition === CONSTANT || taken.has(base)
        ? make(COPY, [value], value.shape, value.dtype, [-1 - i], null)
        : value;
    taken.add(base);
    return { value: own, destination: captured.destinations[i] as Destination };
  });
  return {
    outputs,
    buffers: captured.buffers.length,
    scalars: scalarDTypes,
    storages: captured.buffers.map((b) => storages.get(b.storage) as number),
    offsets: captured.buffers.map((b) => b.offset),
  };
}

/** Returns the value that has the same bytes in the same order: looks through aliases and reshapes. */
export function sameBytes(value: Value): Value {
  let base = value;
  for (let input = base.inputs[0]; input !== undefined && keepsBytes(base, input); input = base.inputs[0]) base = input;
  return base;
}

function keepsBytes(value: Value, input: Value): boolean {
  const { definition } = value;
  if (definition.kind === "alias") return true;
  return definition.kind === "view" && definition.inOrder === true && sizeOf(input.shape) === sizeOf(value.shape);
}

/** Ops of constants that are computed here. Published files keep the float64 meanings of these only (scripts/lean.mjs). */
const FOLDED: ReadonlySet<string> = new Set(["f32", "i32", "u32", "bool", "add", "sub", "mul", "div", "neg"]);

/** Constant folding and the identities that gradients bring along. */
function simplify(node: Node, inputs: readonly Value[], make: Make): Value | null {
  const { definition } = node;
  const first = inputs[0];
  if (first === undefined) return null;
  if (definition.kind === "alias") return first;
  if (definition.kind === "view" && first.definition.kind === "view" && first.definition === definition) {
    if (definition.inOrder === true) {
      const source = first.inputs[0] as Value;
      return sameShape(source.shape, node.shape)
        ? source
        : make(definition, [source], node.shape, node.dtype, node.attributes, null);
    }
  }
  if (definition.kind !== "elementwise") return null;
  const numbers = inputs.map((v) => (v.definition === CONSTANT ? v.attributes[0] : undefined));
  const folded = foldConstants(definition, numbers, node.dtype);
  if (folded !== null) return make(CONSTANT, [], [], node.dtype, [folded], null);
  if (!isFloat(node.dtype)) return null;
  const same = inputs[unchanged(definition, numbers) ?? -1];
  return same !== undefined && sameShape(same.shape, node.shape) && same.dtype === node.dtype ? same : null;
}

/** What an op of numbers comes to; null where an operand is not known, or only the device has the exact result. */
export function foldConstants(
  definition: ElementwiseDefinition,
  numbers: readonly (number | undefined)[],
  dtype: DType,
): number | null {
  if (!FOLDED.has(definition.name) || numbers.some((n) => n === undefined)) return null;
  const result = definition.reference(...(numbers as readonly number[]));
  // Larger products of integers are exact on the device alone.
  return isFloat(dtype) || Number.isSafeInteger(result) ? castNumber(result, dtype) : null;
}

/** Which operand an op of floats leaves as it is because of the number that the other one is: x · 1, x + 0. */
export function unchanged(
  { neutral }: ElementwiseDefinition,
  [first, second]: readonly (number | undefined)[],
): 0 | 1 | null {
  if (neutral === undefined) return null;
  if (second !== undefined && second === neutral[1]) return 0;
  return first !== undefined && first === neutral[0] ? 1 : null;
}

/** The coordinates in an operand that broadcasts to the result. */
export function broadcastCoordinates(coordinates: readonly Index[], shape: Shape): Index[] {
  const offset = coordinates.length - shape.length;
  return shape.map((n, i) => (n === 1 ? constantIndex(0) : (coordinates[offset + i] as Index)));
}

/** What one element of an inline value is computed of. What `isStored` does not hold of is computed inline itself. */
export function inputCoordinates(
  value: Value,
  coordinates: readonly Index[],
  isStored: (value: Value) => boolean = () => true,
): Reads {
  const { definition, inputs } = value;
  switch (definition.kind) {
    case "view": {
      const input = inputs[0] as Value;
      const source = definition.index(coordinates, value.attributes, input.shape, value.shape);
      return { coordinates: [source.coordinates], conditions: source.conditions ?? [], fill: source.fill ?? 0 };
    }
    case "gather":
      return definition.read(value, coordinates, isStored);
    case "alias":
      return { coordinates: [[...coordinates]], conditions: [], fill: 0 };
    case "elementwise":
      return {
        coordinates: inputs.map((input) => broadcastCoordinates(coordinates, input.shape)),
        conditions: [],
        fill: 0,
      };
    default:
      return { coordinates: [], conditions: [], fill: 0 };
  }
}

/** An element of a value. */
export interface Place {
  readonly value: Value;
  readonly coordinates: readonly Index[];
}

/** The same text for the same place. */
export function placeKey({ value, coordinates }: Place): string {
  return `${value.id}:${coordinates.map((c) => c.key).join()}`;
}

/** Goes through what elements are computed of, each place once; `enter` says whether to go on to what lies behind one. */
export function walkInline(places: readonly Place[], enter: (place: Place) => boolean): void {
  const seen = new Set<string>();
  const visit = (place: Place): void => {
    const key = placeKey(place);
    if (seen.has(key)) return;
    seen.add(key);
    if (!enter(place)) return;
    const inner = inputCoordinates(place.value, place.coordinates);
    inner.coordinates.forEach((coordinates, i) => {
      visit({ value: place.value.inputs[i] as Value, coordinates });
    });
  };
  places.forEach(visit);
}
