// The door: everything that a page or a script imports as "wgrad".

import "./methods.ts";

export * as amp from "./amp.ts";
export * from "./base/errors.ts";
export * as data from "./data/index.ts";
export * from "./fit.ts";
export * as io from "./io/index.ts";
export * as metrics from "./metrics/index.ts";
export * as nn from "./nn/index.ts";
export * as optim from "./optim/index.ts";
export * from "./tensor.ts";
