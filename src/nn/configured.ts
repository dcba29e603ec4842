// Layers and losses that apply an op with the options they were made with.

import { withDefaults } from "../ops/check.ts";
import { Tensor } from "../tensor.ts";
import { Module } from "./module.ts";

/** Has the op's options as properties of the same names; tensors among them are buffers. */
export abstract class Configured<Options extends object> extends Module {
  readonly #names: readonly (keyof Options & string)[];

  /** `defaults` names all options, save `others`, which the class looks after itself. */
  constructor(options: Partial<Options>, defaults: Options, ...others: string[]) {
    super();
    const all = withDefaults(this.constructor.name, options, defaults, ...others);
    this.#names = Object.keys(all) as (keyof Options & string)[];
    for (const name of this.#names) {
      const value = all[name];
      if (value instanceof Tensor) this.registerBuffer(name, value);
      else (this as unknown as Options)[name] = value;
    }
  }

  /** The options as the op takes them. */
  protected get opOptions(): Options {
    return Object.fromEntries(this.#names.map((name) => [name, (this as unknown as Options)[name]])) as Options;
  }
}
