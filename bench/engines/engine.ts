// What the benchmark asks of an engine: to open itself, to wait for the device, to read a result and to let go of one.

/** The engines that a row may be written for. `wgrad-compiled` is wgrad through `compile`. */
export const engineNames = ["wgrad", "wgrad-compiled", "tensorflow", "jax"] as const;
export type EngineName = (typeof engineNames)[number];

/** How the engines are called in tables. */
export const engineTitles: Readonly<Record<EngineName, string>> = {
  wgrad: "wgrad",
  "wgrad-compiled": "wgrad, compiled",
  tensorflow: "TensorFlow.js",
  jax: "jax-js",
};

/** The packages that the engines come from; wgrad is this one. */
export const enginePackages: Readonly<Record<"tensorflow" | "jax", string>> = {
  tensorflow: "@tensorflow/tfjs-backend-webgpu",
  jax: "@jax-js/jax",
};

/** One version of a row: takes a step, says what came out. */
export interface Steps<T> {
  /** Takes a step and submits it as far as the engine does by itself; doesn't wait. What it returns is dropped afterwards. */
  readonly step: () => readonly T[];
}

/** A row's version bound to its engine. */
export interface Bench {
  /** Takes a step and returns a function that drops its results. */
  readonly step: () => Taken;
}

/** A step that was submitted. */
export interface Taken {
  /** Resolves when the device has finished everything that the step takes. */
  readonly finished: () => Promise<void>;
  /** The values of its results, in the engine's own way of reading. */
  readonly values: () => Promise<readonly ArrayLike<number>[]>;
  readonly drop: () => void;
}

/** An opened engine, ready to run the row that it was opened for. */
export interface Opened {
  readonly adapter: string;
  /** Makes the tensors that the row works on. */
  readonly prepare: () => Bench;
}
