// The door for small pages: everything that they import as "wgrad/core". Ops are functions here and no methods of Tensor.

export * from "./base/errors.ts";
export * from "./tensor.ts";
