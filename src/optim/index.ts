// optim: optimizers, and learning-rate schedules as `optim.lr`.

export * from "./adadelta.ts";
export * from "./adagrad.ts";
export * from "./adam.ts";
export * from "./adamax.ts";
export * from "./lion.ts";
export * as lr from "./lr.ts";
export * from "./muon.ts";
export * from "./nadam.ts";
export * from "./optimizer.ts";
export * from "./radam.ts";
export * from "./rmsprop.ts";
export * from "./sgd.ts";
export type { OptimizerStateDict } from "./state.ts";
