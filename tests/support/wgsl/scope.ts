// What names stand for while code is written: values, variables, memory that invocations share, and functions.

import type { Code } from "./code.ts";
import { refuse, type Scalar, type Type, type Value } from "./types.ts";

/**
 * Memory that invocations share; a unit is a number or a vector, the smallest thing that one access concerns. A workgroup's structs are a memory
 * per member.
 */
export interface SharedMemory {
  readonly name: string;
  /** The object that watches it, in the written code. */
  readonly js: string;
  readonly space: "storage" | "workgroup";
  readonly type: Type;
  readonly scalar: Scalar;
  /** Numbers of a unit, and how far units are apart. */
  readonly width: number;
  readonly stride: number;
  /** Binding number; -1 for a workgroup's memory. */
  readonly binding: number;
  readonly writable: boolean;
  /** Of structs, in order; else empty. */
  readonly members: readonly SharedMemory[];
}

export type Named =
  /** Never written: `let`, `const`, parameters, numbers of the uniform block. */
  | { readonly kind: "value"; readonly value: Value }
  /** A variable of one invocation. */
  | { readonly kind: "local"; readonly value: Value }
  | { readonly kind: "memory"; readonly memory: SharedMemory };

/** A function of the text. */
export interface WrittenFunction {
  readonly js: string;
  readonly parameters: readonly Type[];
  readonly result: Type | null;
  /** Whether invocations wait for one another in it. */
  readonly suspends: boolean;
}

/** Where an invocation waits for others: at a barrier, or with what it gives to its subgroup. */
export interface Site {
  readonly name: string;
  readonly line: number;
}

/** Everything that expressions and statements are written with. */
export interface Context {
  readonly code: Code;
  readonly functions: ReadonlyMap<string, WrittenFunction>;
  readonly sites: Site[];
}

/** Names in blocks, the innermost first. */
export class Scope {
  readonly #parent: Scope | null;
  readonly #names = new Map<string, Named>();

  constructor(parent: Scope | null = null) {
    this.#parent = parent;
  }

  define(name: string, named: Named): void {
    this.#names.set(name, named);
  }

  find(name: string, line: number): Named {
    return this.#names.get(name) ?? this.#parent?.find(name, line) ?? refuse(line, `the name ${name}`);
  }
}
