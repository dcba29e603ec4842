// Module: the base of every layer and model, a tree of parameters, buffers and submodules found by property assignment.

import { WgradError } from "../base/errors.ts";
import { checkOptions, type DType, dropGradient, Tensor, traceGuard } from "../tensor.ts";
import { isParameter, parameter } from "./parameter.ts";
import { loadEntries, type StateDict } from "./state.ts";
import { summarize } from "./summary.ts";

/** A module that maps one tensor to one tensor: what Sequential chains. */
export type Layer = Module & { forward(input: Tensor): Tensor };

/** Options of `registerBuffer`. */
export interface BufferOptions {
  /** Whether it is in the state dict. Default true. */
  persistent?: boolean;
  /** Whether a state dict may lack it; the buffer then keeps its value. Default false. */
  optional?: boolean;
}

/** What `loadStateDict` returns: the keys that did not match. */
export interface LoadReport {
  /** Keys of the module that the state dict lacks. */
  missingKeys: string[];
  /** Keys of the state dict that the module lacks. */
  unexpectedKeys: string[];
}

/**
 * Base class of layers and models. Its public properties hold parameters (`nn.parameter(t)`, or a leaf tensor with
 * `requiresGrad`), buffers (`registerBuffer`) and submodules, in the order in which they were assigned. Their names are
 * the keys of the state dict. `#private` properties and plain arrays of modules are not found: use ModuleList instead
 * of an array.
 *
 * ```js
 * import { nn, ones } from "wgrad";
 *
 * class Net extends nn.Module {
 *   fc1 = new nn.Linear(784, 128);
 *   fc2 = new nn.Linear(128, 10);
 *
 *   forward(x) {
 *     return this.fc2.forward(this.fc1.forward(x).relu());
 *   }
 * }
 * const net = new Net();
 * console.log(net.forward(ones([1, 784])).shape); // prints [ 1, 10 ]
 * console.log(Object.keys(net.stateDict()).join(" ")); // prints fc1.weight fc1.bias fc2.weight fc2.bias
 * ```
 */
export class Module {
  #training = true;
  readonly #buffers = new Map<string, BufferOptions>();

  /** True after `train()`, which is the initial mode, and false after `eval()`. Dropout and batch norm depend on it. */
  get training(): boolean {
    const training = this.#training;
    traceGuard(() => this.#training === training);
    return training;
  }

  set training(training: boolean) {
    this.#training = training;
  }

  /** Computes the output. Every layer defines its own. */
  forward(..._inputs: never[]): unknown {
    throw new WgradError(`${this.constructor.name}: forward is not defined. Write a method forward(input).`);
  }

  /**
   * Makes `tensor` a part of the state of the module that is not trained, under `this[name]`. A persistent buffer is in
   * the state dict. Returns the tensor, so that a class field can hold it: `mask = this.registerBuffer("mask",
   * ones([3]))`.
   */
  registerBuffer(name: string, tensor: Tensor, options: BufferOptions = {}): Tensor {
    checkOptions("registerBuffer", options, ["persistent", "optional"]);
    if (name === "" || name.includes(".")) {
      throw new WgradError(`registerBuffer: a name must not be empty or hold a dot, got "${name}". Use a plain name.`);
    }
    const existing = (this as unknown as Record<string, unknown>)[name];
    if (existing !== undefined && existing !== null && !this.#buffers.has(name)) {
      throw new WgradError(
        `registerBuffer: ${this.constructor.name} has a property "${name}" already. Use another name.`,
      );
    }
    this.#buffers.set(name, { ...options, persistent: options.persistent ?? true });
    this.#set(name, tensor);
    return tensor;
  }

  /** The direct submodules with their names, in order. A submodule that has two names is listed once. */
  namedChildren(): [string, Module][] {
    return unique(this.#ownModules());
  }

  /** The direct submodules. */
  children(): Module[] {
    return this.namedChildren().map(([, module]) => module);
  }

  /** This module (name `""`) and all modules below it, depth first, each once. */
  namedModules(): [string, Module][] {
    return this.#tree("", [], new Set());
  }

  /** This module and all modules below it. */
  modules(): Module[] {
    return this.namedModules().map(([, module]) => module);
  }

  /** All parameters with their dotted names. A shared parameter is listed once, under its first name. */
  namedParameters(): [string, Tensor][] {
    const named = unique(collect(this.namedModules(), (module) => module.#ownParameters()));
    for (const [name, tensor] of named) tensor.label = name;
    return named;
  }

  /** All parameters, each once, as an optimizer takes them. */
  parameters(): Tensor[] {
    return this.namedParameters().map(([, tensor]) => tensor);
  }

  /** All buffers with their dotted names, each once. */
  namedBuffers(): [string, Tensor][] {
    return unique(collect(this.namedModules(), (module) => module.#ownBuffers()));
  }

  /** All buffers (running statistics and the like), each once. */
  buffers(): Tensor[] {
    return this.namedBuffers().map(([, tensor]) => tensor);
  }

  /**
   * Returns parameters and persistent buffers under PyTorch's keys. The tensors are the live ones: after a step they
   * read as the new values. A shared parameter is under each of its names.
   */
  stateDict(): StateDict {
    return Object.fromEntries(this.#state());
  }

  /**
   * Copies the values of a state dict into the parameters and buffers of this module, cast to their dtypes. All or
   * nothing: if something does not fit, nothing is loaded. `strict: false` allows missing and unexpected keys, but not
   * other shapes. Returns which keys were missing and which were unexpected.
   * @throws WgradError that lists every missing and unexpected key, ShapeError if a shape differs.
   */
  loadStateDict(stateDict: StateDict, options: { strict?: boolean } = {}): LoadReport {
    checkOptions("loadStateDict", options, ["strict"]);
    const optional = collect(this.#tree("", [], null), (module) => module.#ownBuffers("optional"));
    const { strict = true } = options;
    return loadEntries(this.constructor.name, this.#state(), stateDict, strict, new Map(optional));
  }

  /** Switches this module and all modules below it to training mode; `train(false)` to evaluation mode. */
  train(mode = true): this {
    for (const module of this.modules()) module.training = mode;
    return this;
  }

  /** Switches to evaluation mode: dropout is off, and running statistics are used but not changed. */
  eval(): this {
    return this.train(false);
  }

  /**
   * Casts the floating-point parameters and buffers to a dtype. They become new tensors (shared ones stay shared), so
   * call this before you give `parameters()` to an optimizer.
   */
  to(dtype: DType): this {
    if (dtype !== "f32" && dtype !== "f16") {
      throw new WgradError(`Module.to: the dtype must be floating-point, got ${dtype}. Use "f32" or "f16".`);
    }
    const cast = new Map<Tensor, Tensor>();
    for (const module of this.modules()) {
      for (const [name, tensor] of [...module.#ownParameters(), ...module.#ownBuffers()]) {
        if (tensor.dtype === dtype || (tensor.dtype !== "f32" && tensor.dtype !== "f16")) continue;
        const { requiresGrad } = tensor;
        const converted = cast.get(tensor) ?? parameter(tensor.detach().to(dtype), { requiresGrad });
        cast.set(tensor, converted);
        module.#set(name, converted);
      }
    }
    return this;
  }

  /** Sets `requiresGrad` of all parameters: `requiresGrad(false)` freezes the module. */
  requiresGrad(value = true): this {
    for (const tensor of this.parameters()) tensor.requiresGrad = value;
    return this;
  }

  /** Forgets the gradients of all parameters (`grad` becomes null). */
  zeroGrad(): void {
    for (const tensor of this.parameters()) dropGradient(tensor);
  }

  /** Calls `fn` on every module, submodules first, this one last. */
  apply(fn: (module: Module) => void): this {
    for (const child of this.children()) child.apply(fn);
    fn(this);
    return this;
  }

  /**
   * Returns a table of the layers with their output shapes and numbers of parameters, for an input of the given full
   * shape, batch included (or a list of shapes, for several inputs). Computes nothing.
   */
  summary(inputShape: readonly number[] | readonly (readonly number[])[], options: { dtype?: DType } = {}): string {
    checkOptions("summary", options, ["dtype"]);
    return summarize(this, inputShape, options.dtype ?? "f32");
  }

  #set(name: string, value: unknown): void {
    (this as unknown as Record<string, unknown>)[name] = value;
  }

  #ownModules(): [string, Module][] {
    return Object.entries(this).filter((entry): entry is [string, Module] => entry[1] instanceof Module);
  }

  #ownParameters(): [string, Tensor][] {
    return Object.entries(this).filter(
      (entry): entry is [string, Tensor] => !this.#buffers.has(entry[0]) && isParameter(entry[1]),
    );
  }

  #ownBuffers(only?: keyof BufferOptions): [string, Tensor][] {
    const properties = this as unknown as Record<string, unknown>;
    const found: [string, Tensor][] = [];
    for (const [name, options] of this.#buffers) {
      const value = properties[name];
      if (value instanceof Tensor && (only === undefined || options[only] === true)) found.push([name, value]);
    }
    return found;
  }

  /** This module and all below it with their paths, depth first: those that are not `seen` yet, or without such a set all, under each of their names. */
  #tree(path: string, ancestors: Module[], seen: Set<Module> | null): [string, Module][] {
    if (seen?.has(this)) return [];
    seen?.add(this);
    if (ancestors.includes(this)) {
      throw new WgradError(
        `stateDict: ${this.constructor.name} contains itself at "${path}". Hold the reference in a #private property.`,
      );
    }
    const within = [...ancestors, this];
    const below = this.#ownModules().flatMap(([name, child]) => child.#tree(join(path, name), within, seen));
    return [[path, this], ...below];
  }

  #state(): [string, Tensor][] {
    return collect(this.#tree("", [], null), (module) => [
      ...module.#ownParameters(),
      ...module.#ownBuffers("persistent"),
    ]);
  }
}

/** Collects the own entries of each module, with their whole path. */
function collect(modules: [string, Module][], own: (module: Module) => [string, Tensor][]): [string, Tensor][] {
  return modules.flatMap(([path, module]) =>
    own(module).map(([name, tensor]): [string, Tensor] => [join(path, name), tensor]),
  );
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function unique<T>(entries: [string, T][]): [string, T][] {
  const seen = new Set<T>();
  return entries.filter(([, value]) => !seen.has(value) && seen.add(value));
}
