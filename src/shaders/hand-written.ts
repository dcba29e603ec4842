// Hand-written kernels: a shader's text completed by its bindings.

import { bytesOf, type DType } from "../base/dtype.ts";
import { WgradError } from "../base/errors.ts";
import { formatShape, sizeOf } from "../base/shape.ts";
import type { HandWritten, Kernel, KernelDefinition, Value } from "../graph/definition.ts";
import type { DeviceTraits, KernelLayout, KernelProgram, KernelSchedule } from "../graph/kernel-program.ts";
import { bindableInputs, boundSource, inputGradients } from "../graph/kernels.ts";
import type { Node } from "../graph/node.ts";
import type { Tensor } from "../graph/tensor.ts";
import { foldGrid } from "./kernel.ts";
import { scalarBlock } from "./module.ts";
import { SPECIAL_BITS, storedElement } from "./wgsl.ts";

/** A program as an op. Without `derivative`, no gradient goes through it. */
export function defineKernel(
  program: KernelProgram,
  derivative: KernelDefinition<Tensor, Node>["derivative"] = null,
): KernelDefinition<Tensor, Node> {
  return {
    kind: "kernel",
    name: program.name,
    program,
    derivative,
    complete: writeHandWritten,
    bindable: (inputs, attributes, copy) => bindableInputs(program, inputs, attributes, copy),
    source: (input) => boundSource(program, input),
    backward: (kernel, arrived, see) => inputGradients({ program, derivative }, kernel, arrived, see),
  };
}

/** Throws a WgradError where the kernel needs more bindings or workgroups than the device has. */
function writeHandWritten(call: HandWritten, device: DeviceTraits, schedule: KernelSchedule | null): Kernel {
  const { definition, attributes, inputs, sources } = call;
  const { program } = definition;
  const { name: op } = program;
  const outputs = program.outputs(inputs, attributes);
  const initial = new Set(outputs.map((output) => output.initial));
  const bindings: { name: string; value: Value; access: "read" | "read_write" }[] = [];
  const scalars: { index: number; dtype: DType }[] = [];
  const readers: string[] = [];
  const layouts: KernelLayout[] = [];
  program.inputs.forEach((name, i) => {
    const source = sources[i];
    if (source === undefined || name === null || initial.has(i)) return;
    const { base, offset, strides } = source;
    const known = program.strided === true ? bindings.find(({ value }) => value === base) : undefined;
    layouts[i] = { binding: known?.name ?? name, offset, strides };
    const { leaf } = base;
    if (program.scalars?.includes(name) === true) {
      const place = leaf?.kind === "scalar" ? `scalars.s${scalars.length}` : `${known?.name ?? name}[${offset}]`;
      readers.push(`fn scalar_${name}() -> ${storedElement(base.dtype)} { return ${place}; }`);
    }
    if (leaf?.kind === "scalar") {
      scalars.push({ index: leaf.index, dtype: base.dtype });
      return;
    }
    // What lies in memory that kernels share is bound for writing, whoever reads it: one buffer has one usage in a dispatch.
    if (known === undefined) bindings.push({ name, value: base, access: base.leaf === null ? "read_write" : "read" });
  });
  outputs.forEach(({ name }, i) => {
    bindings.push({ name, value: call.outputs[i] as Value, access: "read_write" });
  });
  const text = program.write({ inputs, outputs, attributes, layouts }, device, schedule);
  if (bindings.length > device.bindings) {
    throw new WgradError(
      `${op}: a kernel binds at most ${device.bindings} tensors on this device, got ${bindings.length}. Fewer would fit, or two kernels.`,
      { op },
    );
  }
  const declarations = bindings.map(({ name, value, access }, i) => {
    const type = text.types?.[name] ?? `array<${storedElement(value.dtype)}>`;
    return `@group(0) @binding(${i}) var<storage, ${access}> ${name}: ${type};`;
  });
  declarations.push(
    ...scalarBlock(
      scalars.map(({ dtype }) => dtype),
      bindings.length,
    ),
    ...readers,
  );
  if (/special_bits/.test(text.wgsl) && !/var<private> special_bits/.test(text.wgsl)) declarations.push(SPECIAL_BITS);
  const enabled = new Set(text.enable);
  if (bindings.some(({ value }) => value.dtype === "f16")) enabled.add("f16");
  const first = call.outputs[0];
  const label = first === undefined ? op : `${op} ${first.dtype}${formatShape(first.shape).replaceAll(" ", "")}`;
  // Messages of the compiler name the kernel: texts of different ones are not shared.
  const head = [...[...enabled].map((extension) => `enable ${extension};`), `// ${label}`];
  // Directives stand in front of all declarations.
  const directed = /^\s*(?:enable|requires|diagnostic)\b/m.test(text.wgsl);
  const lines = directed ? [...head, text.wgsl, ...declarations] : [...head, ...declarations, text.wgsl];
  return {
    name: label,
    family: "kernel",
    fused: [op],
    wgsl: `${lines.join("\n")}\n`,
    workgroups: gridOf(op, text.workgroups, device),
    bindings: bindings.map((binding) => ({ ...binding, start: 0 })),
    scalars,
    ...(text.entry === undefined ? {} : { entry: text.entry }),
    bytes: bindings.reduce((sum, { value }) => sum + sizeOf(value.shape) * bytesOf(value.dtype), 0),
    flops: text.flops ?? outputs.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    preamble: (directed ? head.length : head.length + declarations.length) + (text.preamble ?? 0),
  };
}

function gridOf(
  op: string,
  workgroups: number | readonly [number, number, number],
  { maxWorkgroups }: DeviceTraits,
): readonly [number, number, number] {
  if (typeof workgroups === "number") return foldGrid(workgroups, maxWorkgroups);
  if (workgroups.every((n) => n <= maxWorkgroups)) return workgroups;
  throw new WgradError(
    `${op}: a device runs at most ${maxWorkgroups} workgroups per dimension, got ${formatShape(workgroups)}. Spread them over the dimensions.`,
    { op },
  );
}
