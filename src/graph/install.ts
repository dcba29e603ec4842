// Functions of a tensor as methods of Tensor.

import { Tensor } from "../graph/tensor.ts";

/** Makes each function a method: `x.sum(1)` calls `sum(x, 1)`. */
export function install(functions: Readonly<Record<string, unknown>>): void {
  for (const [name, apply] of Object.entries(functions)) {
    Object.defineProperty(Tensor.prototype, name, {
      configurable: true,
      writable: true,
      value: function (this: Tensor, ...rest: never[]): unknown {
        return (apply as (x: Tensor, ...rest: never[]) => unknown)(this, ...rest);
      },
    });
  }
}
