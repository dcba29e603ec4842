// Containers: Sequential and ModuleList, whose children are their numbered properties.

import { WgradError } from "../base/errors.ts";
import { printed } from "../ops/check.ts";
import type { Tensor } from "../tensor.ts";
import { noOptions } from "./check.ts";
import { type Layer, Module } from "./module.ts";

function checkModule(owner: string, value: unknown): void {
  if (!(value instanceof Module)) {
    throw new TypeError(
      `${owner}: every layer must be a Module, got ${printed(value)}. Wrap a function in a class with a forward method.`,
    );
  }
}

/** A module's numbered properties: `0`, `1`, …, the names that PyTorch's state dicts use. */
abstract class NumberedModules<M extends Module> extends Module implements Iterable<M> {
  [index: number]: M;
  #length = 0;

  /** Number of children. */
  get length(): number {
    return this.#length;
  }

  *[Symbol.iterator](): Iterator<M> {
    for (let i = 0; i < this.#length; i++) {
      const module = this[i];
      if (module !== undefined) yield module;
    }
  }

  /** Adds a module at the end. */
  append(module: M): this {
    checkModule(this.constructor.name, module);
    this[this.#length++] = module;
    return this;
  }

  /** Adds modules at the end. */
  extend(modules: Iterable<M>): this {
    for (const module of modules) this.append(module);
    return this;
  }
}

/**
 * Applies layers one after another: `new Sequential(new Linear(784, 128), new ReLU(), new Linear(128, 10))`. An object
 * gives them names instead of numbers: `new Sequential({ fc: new Linear(784, 10) })`.
 */
export class Sequential extends NumberedModules<Layer> {
  constructor(layers?: Record<string, Layer>);
  constructor(...layers: Layer[]);
  constructor(...layers: (Layer | Record<string, Layer> | undefined)[]) {
    super();
    const [first] = layers;
    if (
      layers.length === 1 &&
      typeof first === "object" &&
      first !== null &&
      !(first instanceof Module) &&
      isPlainObject(first)
    ) {
      for (const [name, layer] of Object.entries(first)) {
        checkModule("Sequential", layer);
        if (name in this) throw new WgradError(`Sequential: the name "${name}" is taken. Use another name.`);
        (this as unknown as Record<string, Layer>)[name] = layer;
      }
      return;
    }
    for (const layer of layers) this.append(layer as Layer);
  }

  override forward(input: Tensor): Tensor {
    let x = input;
    for (const name of Object.keys(this)) {
      const layer = (this as unknown as Record<string, unknown>)[name];
      if (layer instanceof Module) x = (layer as Layer).forward(x);
    }
    return x;
  }
}

/**
 * A list of modules for your own `forward`: `for (const block of this.blocks) x = block.forward(x)`. The modules are
 * registered, so their parameters are found.
 */
export class ModuleList<M extends Module = Layer> extends NumberedModules<M> {
  constructor(modules: Iterable<M> = [], ...options: never[]) {
    super();
    noOptions("ModuleList", options);
    if (typeof modules?.[Symbol.iterator] !== "function") {
      throw new TypeError("ModuleList: takes an array of modules: new ModuleList([a, b]).");
    }
    this.extend(modules);
  }
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
