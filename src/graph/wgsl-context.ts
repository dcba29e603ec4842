// The context in which an op writes its WGSL.

/** The context in which an elementwise op writes its WGSL. */
export interface WgslContext {
  /** dtype of the first operand as it is computed (f16 computes as f32). */
  readonly operand: "f32" | "i32" | "u32" | "bool";
  /** 1 for scalars, 4 for vec4. */
  readonly width: 1 | 4;
  /** WGSL type of the operands at this width: `f32`, `vec4<f32>`. */
  readonly type: string;
  /** WGSL type of another element type at this width. */
  typeOf(element: "f32" | "i32" | "u32" | "bool"): string;
  /** A number as literal of the operand's type at this width. */
  number(value: number): string;
  /** A number as f32 literal at this width. */
  float(value: number): string;
  /** Calls a function of `helpers`: with all lanes at once where all helpers are written for that (graph/helpers.ts), else lane by lane. */
  call(helper: string, ...values: string[]): string;
}
