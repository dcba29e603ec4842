// The gradients of many parameters as a few vectors, so that reading all of them takes a few kernels, whatever their number.

import { gradientTensor, Tensor, withGrad } from "../graph/tensor.ts";
import { Arena } from "./arena.ts";

interface Part {
  readonly arena: Arena | null;
  readonly parameters: readonly Tensor[];
  /** In the arena's layout, or one parameter's gradient. */
  readonly gradient: Tensor;
}

/** The gradients of several parameters, collected in a few vectors: what reads all of them takes a few kernels. */
export class Gradients {
  readonly #parts: readonly Part[];

  /** Throws a TypeError for what is no tensor; parameters without gradient are left out. */
  constructor(op: string, parameters: Tensor | Iterable<Tensor>) {
    const list = parameters instanceof Tensor ? [parameters] : [...parameters];
    const left = new Set<Tensor>();
    for (const parameter of list) {
      if (!(parameter instanceof Tensor))
        throw new TypeError(`${op}: parameters must be tensors, got ${typeof parameter}.`);
      parameter.guardGradient();
      if (parameter.gradient !== null) left.add(parameter);
    }
    const parts: Part[] = [];
    withGrad(false, () => {
      for (const parameter of left) {
        const arena = Arena.of(parameter);
        const together = arena?.tensors.every((t) => left.has(t) && t.gradient?.dtype === "f32") ?? false;
        const members = arena !== null && together ? arena.tensors : [parameter];
        for (const member of members) left.delete(member);
        const gradients = members.map((member) => member.gradient as Tensor);
        const gradient = arena !== null && together ? arena.collect(gradients) : (gradients[0] as Tensor);
        parts.push({ arena: together ? arena : null, parameters: members, gradient });
      }
    });
    this.#parts = parts;
  }

  /** All elements, in a few tensors, with zeros in between. */
  elements(): Tensor[] {
    return withGrad(false, () => this.#parts.map(({ arena, gradient }) => arena?.filled(gradient) ?? gradient));
  }

  /** Replaces the gradient of each parameter by `change(gradient)`, which must work element by element. */
  replace(change: (gradient: Tensor) => Tensor): void {
    withGrad(false, () => {
      for (const { arena, parameters, gradient } of this.#parts) {
        const changed = change(gradient);
        const gradients = arena === null ? [changed] : arena.parts(changed);
        parameters.forEach((parameter, i) => {
          const { node } = gradients[i] as Tensor;
          parameter.gradient = gradientTensor(() => new Tensor(node));
        });
      }
    });
  }
}
