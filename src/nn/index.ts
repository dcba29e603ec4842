// nn: modules, layers, losses, initializers and utilities.

export * from "./activations.ts";
export * from "./attention.ts";
export * from "./batch-norm.ts";
export * from "./containers.ts";
export * from "./conv.ts";
export * from "./conv-transpose.ts";
export * from "./dropout.ts";
export * from "./embedding.ts";
export * as init from "./init.ts";
export * from "./linear.ts";
export * from "./losses.ts";
export * from "./module.ts";
export * from "./norm.ts";
export { Parameter, parameter } from "./parameter.ts";
export * from "./pooling.ts";
export * from "./recurrent.ts";
export * from "./recurrent-cells.ts";
export * from "./reshape.ts";
export type { StateDict } from "./state.ts";
export * from "./transformer.ts";
export * as utils from "./utils.ts";
