// WGSL's types as the interpreter sees them, and what the parser's types stand for.

import { ArrayType, Struct, TemplateType, type Type as WrittenType } from "wgsl_reflect/wgsl_reflect.module.js";

/** "int" is a literal without a suffix: it becomes what stands beside it. */
export type Scalar = "f32" | "f16" | "i32" | "u32" | "bool" | "int";

export type Type =
  | { readonly kind: "scalar"; readonly scalar: Scalar }
  | { readonly kind: "vector"; readonly scalar: Scalar; readonly size: number }
  | { readonly kind: "atomic"; readonly scalar: Scalar }
  /** `count` is null where the buffer's size decides. */
  | { readonly kind: "array"; readonly element: Type; readonly count: number | null }
  | { readonly kind: "struct"; readonly name: string; readonly members: readonly Member[] };

export interface Member {
  readonly name: string;
  readonly type: Type;
}

/** A value while its code is written: JavaScript names or literals, one per number; an array is one name. */
export interface Value {
  readonly type: Type;
  readonly parts: readonly string[];
}

/** Throws an error that names the line of the WGSL text. */
export function refuse(line: number, what: string): never {
  throw new Error(`line ${line}: the interpreter of WGSL does not know ${what}`);
}

export function scalarType(scalar: Scalar): Type {
  return { kind: "scalar", scalar };
}

export function vectorType(scalar: Scalar, size: number): Type {
  return size === 1 ? scalarType(scalar) : { kind: "vector", scalar, size };
}

/** The scalar that a number, a vector or an atomic is made of. */
export function scalarOf(type: Type, line: number): Scalar {
  return "scalar" in type ? type.scalar : refuse(line, `arithmetic of ${describe(type)}`);
}

/** How many numbers a value of the type has. */
export function widthOf(type: Type): number {
  switch (type.kind) {
    case "scalar":
    case "atomic":
      return 1;
    case "vector":
      return type.size;
    case "array":
      return (type.count ?? 0) * widthOf(type.element);
    case "struct":
      return type.members.reduce((sum, member) => sum + widthOf(member.type), 0);
    default:
      return type satisfies never;
  }
}

export function describe(type: Type): string {
  switch (type.kind) {
    case "scalar":
      return type.scalar;
    case "atomic":
      return `atomic<${type.scalar}>`;
    case "vector":
      return `vec${type.size}<${type.scalar}>`;
    case "array":
      return `array<${describe(type.element)}${type.count === null ? "" : `, ${type.count}`}>`;
    case "struct":
      return type.name;
    default:
      return type satisfies never;
  }
}

const SCALARS: ReadonlySet<string> = new Set(["f32", "f16", "i32", "u32", "bool"]);

/** A type as the parser gives it; a vector without its scalar takes `inferred`. */
export function typeOf(written: WrittenType | null, line: number, inferred: Scalar | null = null): Type {
  if (written === null) return refuse(line, "a value without type");
  if (written instanceof ArrayType) {
    const element = typeOf(written.format, line, inferred);
    return { kind: "array", element, count: written.count > 0 ? written.count : null };
  }
  if (written instanceof Struct) {
    const members = written.members.map(({ name, type }) => ({ name, type: typeOf(type, line) }));
    return { kind: "struct", name: written.name, members };
  }
  if (written instanceof TemplateType) {
    const format = written.format?.name ?? inferred;
    if (format !== null && (SCALARS.has(format) || format === "int")) {
      const scalar = format as Scalar;
      if (written.name === "atomic") return { kind: "atomic", scalar };
      const size = /^vec([234])$/.exec(written.name)?.[1];
      if (size !== undefined) return vectorType(scalar, Number(size));
    }
  }
  if (written.name === "x32") return scalarType("int");
  if (SCALARS.has(written.name)) return scalarType(written.name as Scalar);
  return refuse(line, `the type ${written.getTypeName()}`);
}
