// Module.summary: the table of layers, output shapes and parameter counts.

import { type DType, noGrad, Tensor, zeros } from "../tensor.ts";
import type { Module } from "./module.ts";

type Forward = (...inputs: unknown[]) => unknown;

/** Records a forward pass on zeros (nothing is computed) and tells what each module returned. */
export function summarize(
  model: Module,
  inputShape: readonly number[] | readonly (readonly number[])[],
  dtype: DType,
): string {
  const shapes = inputShape.every((size) => typeof size === "number") ? [inputShape] : inputShape;
  const inputs = shapes.map((shape) => zeros(shape as readonly number[], { dtype }));
  const modules = model.namedModules();
  const modes = modules.map(([, module]) => module.training);
  const outputs = new Map<Module, string>();
  const originals: [Record<string, unknown>, PropertyDescriptor | undefined][] = [];
  try {
    model.eval();
    for (const [, module] of modules) {
      const target = module as unknown as Record<string, unknown>;
      originals.push([target, Object.getOwnPropertyDescriptor(target, "forward")]);
      const forward = target.forward as Forward;
      target.forward = (...args: unknown[]): unknown => {
        const output = forward.apply(module, args);
        outputs.set(module, describe(output));
        return output;
      };
    }
    noGrad(() => ((model as unknown as Record<string, unknown>).forward as Forward)(...inputs));
  } finally {
    for (const [target, descriptor] of originals) {
      delete target.forward;
      if (descriptor !== undefined) Object.defineProperty(target, "forward", descriptor);
    }
    modules.forEach(([, module], i) => {
      module.training = modes[i] ?? true;
    });
  }
  return table(model, modules, outputs);
}

function table(model: Module, modules: [string, Module][], outputs: Map<Module, string>): string {
  const counted = new Set<Tensor>();
  const rows = modules.map(([path, module]) => {
    const below = new Set(module.children().flatMap((child) => child.parameters()));
    const own = module.parameters().filter((tensor) => !below.has(tensor) && !counted.has(tensor));
    for (const tensor of own) counted.add(tensor);
    const depth = path === "" ? 0 : path.split(".").length;
    const name = path === "" ? "" : `${path.split(".").at(-1)}: `;
    return [`${"  ".repeat(depth)}${name}${module.constructor.name}`, outputs.get(module) ?? "-", format(count(own))];
  });
  const parameters = model.parameters();
  const trainable = parameters.filter((tensor) => tensor.requiresGrad);
  const bytes = parameters.reduce((sum, tensor) => sum + tensor.numel * (tensor.dtype === "f16" ? 2 : 4), 0);
  const all = [["layer", "output shape", "parameters"], ...rows];
  const width = (column: number): number => Math.max(...all.map((row) => (row[column] ?? "").length));
  const widths = [width(0), width(1), width(2)];
  const lines = all.map(
    ([layer = "", shape = "", parameterCount = ""]) =>
      `${layer.padEnd(widths[0] ?? 0)}  ${shape.padEnd(widths[1] ?? 0)}  ${parameterCount.padStart(widths[2] ?? 0)}`,
  );
  const rule = "-".repeat((lines[0] ?? "").length);
  return [
    lines[0],
    rule,
    ...lines.slice(1),
    rule,
    `total parameters: ${format(count(parameters))}, trainable: ${format(count(trainable))}, ${(bytes / 1024).toFixed(1)} KiB`,
  ].join("\n");
}

function count(tensors: Tensor[]): number {
  return tensors.reduce((sum, tensor) => sum + tensor.numel, 0);
}

function format(value: number): string {
  return value.toLocaleString("en-US");
}

function describe(value: unknown): string {
  if (value instanceof Tensor) return `[${value.shape.join(", ")}]`;
  if (Array.isArray(value)) return `(${value.map(describe).join(", ")})`;
  return typeof value;
}
