// Hand-written kernels as nodes of a graph: what they read, and how gradients go through them.

import { stridesOf } from "../base/shape.ts";
import type { KernelDefinition, OutputGradients, Strided, Value } from "./definition.ts";
import type { KernelProgram } from "./kernel-program.ts";
import { CONSTANT, IOTA, type Node } from "./node.ts";
import { sameBytes } from "./program.ts";
import { stridedSource } from "./strided.ts";
import { resultNode, type Tensor } from "./tensor.ts";

/** Returns the value to bind for an input of a kernel, and how the input lies there. */
export function boundSource(program: KernelProgram, input: Value): Strided<Value> {
  if (program.strided === true) return stridedSource(input);
  return { base: sameBytes(input), offset: 0, strides: stridesOf(input.shape) };
}

/** A kernel's inputs as values that can be bound: each with bytes, none of them writable twice. */
export function bindableInputs(
  program: KernelProgram,
  inputs: readonly Value[],
  attributes: readonly number[],
  copy: (input: Value, distinct: boolean) => Value,
): readonly Value[] {
  const initial = new Set(program.outputs(inputs, attributes).map((output) => output.initial));
  const taken = new Set<Value>();
  return inputs.map((input, i) => {
    // The kernel overwrites it.
    if (initial.has(i)) return copy(input, true);
    const { base } = boundSource(program, input);
    if (base.leaf?.kind === "scalar" && program.scalars?.includes(program.inputs[i] ?? "") === true) return input;
    // Views of one value share its binding.
    const twice = program.strided !== true && taken.has(base) && base.leaf === null;
    taken.add(base);
    const none = base.leaf?.kind === "scalar" || base.definition === CONSTANT || base.definition === IOTA;
    return none || twice ? copy(input, twice) : input;
  });
}

/** From the gradients of a kernel's outputs, all collected by now, to those of its inputs. */
export function inputGradients(
  { program, derivative }: Pick<KernelDefinition<Tensor, Node>, "program" | "derivative">,
  kernel: Node,
  { nodes, gradients }: OutputGradients<Tensor, Node>,
  see: (node: Node) => Tensor,
): readonly (Tensor | null)[] {
  if (derivative === null) return [];
  const { inputs, attributes } = kernel;
  const types = program.outputs(inputs, attributes);
  const outputs = types.map(({ shape, dtype }, i) => see(nodes[i] ?? resultNode(kernel, i, shape, dtype)));
  return derivative(
    types.map((_, i) => gradients[i] ?? null),
    outputs,
    inputs.map(see),
    attributes,
  );
}
