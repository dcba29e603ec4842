// Every op that is a function only: its first argument is no tensor, or (`where`) it is the condition and not the value.

export { where } from "./arithmetic.ts";
export { arange, eye, full, linspace, ones, tensor, uploadable, zeros } from "./creation.ts";
export { einsum } from "./einsum.ts";
export { cat, stack } from "./joining.ts";
export { rand, randint, randn, randperm } from "./random.ts";
