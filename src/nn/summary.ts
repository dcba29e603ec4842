// Module.summary: the table of layers, output shapes and parameter counts.

import { lines } from "../base/table.ts";
import { type DType, noGrad, Tensor, zeros } from "../tensor.ts";

/** The row of a module in the table. */
interface Layer {
  namedModules(): [string, Layer][];
  children(): Layer[];
  parameters(): Tensor[];
}

type Forward = (...inputs: unknown[]) => unknown;

/** Records a forward pass on zeros (nothing is computed) and tells what each module returned. */
export function summarize(
  model: Layer,
  inputShape: readonly number[] | readonly (readonly number[])[],
  dtype: DType,
): string {
  const shapes = inputShape.every((size) => typeof size === "number") ? [inputShape] : inputShape;
  const inputs = shapes.map((shape) => zeros(shape as readonly number[], { dtype }));
  const modules = model.namedModules();
  const outputs = new Map<Layer, string>();
  const restorers: (() => void)[] = [];
  try {
    for (const [, module] of modules) {
      const target = module as unknown as { forward?: Forward | undefined; training: boolean };
      const { forward, training } = target;
      const own = Object.hasOwn(target, "forward");
      restorers.push(() => {
        if (own) target.forward = forward;
        else delete target.forward;
        target.training = training;
      });
      target.training = false;
      target.forward = (...args: unknown[]): unknown => {
        const output = forward?.apply(module, args);
        outputs.set(module, describe(output));
        return output;
      };
    }
    noGrad(() => (model as unknown as { forward: Forward }).forward(...inputs));
  } finally {
    for (const restore of restorers) restore();
  }
  return table(model, modules, outputs);
}

function table(model: Layer, modules: [string, Layer][], outputs: Map<Layer, string>): string {
  const counted = new Set<Tensor>();
  const rows = modules.map(([path, module]) => {
    const below = new Set(module.children().flatMap((child) => child.parameters()));
    const own = module.parameters().filter((tensor) => !below.has(tensor) && !counted.has(tensor));
    for (const tensor of own) counted.add(tensor);
    const names = path === "" ? [] : path.split(".");
    const name = names.length === 0 ? "" : `${names.at(-1)}: `;
    return [`${"  ".repeat(names.length)}${name}${module.constructor.name}`, outputs.get(module) ?? "-", count(own)];
  });
  const parameters = model.parameters();
  const trainable = parameters.filter((tensor) => tensor.requiresGrad);
  const bytes = parameters.reduce((sum, tensor) => sum + tensor.numel * (tensor.dtype === "f16" ? 2 : 4), 0);
  const [head = "", ...body] = lines([["layer", "output shape", "parameters"], ...rows], 2);
  const rule = "-".repeat(head.length);
  const total = `total parameters: ${count(parameters)}, trainable: ${count(trainable)}, ${(bytes / 1024).toFixed(1)} KiB`;
  return [head, rule, ...body, rule, total].join("\n");
}

/** The number of elements, as it is printed. */
function count(tensors: Tensor[]): string {
  return tensors.reduce((sum, tensor) => sum + tensor.numel, 0).toLocaleString("en-US");
}

function describe(value: unknown): string {
  if (value instanceof Tensor) return `[${value.shape.join(", ")}]`;
  if (Array.isArray(value)) return `(${value.map(describe).join(", ")})`;
  return typeof value;
}
