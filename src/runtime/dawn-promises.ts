// The end of a process or worker in Node: Dawn crashes if one of its promises is open then, so the end waits for them.

/** Classes of the package `webgpu` that have methods with promises. */
export interface DawnClasses {
  readonly GPU: { readonly prototype: GPU };
  readonly GPUAdapter: { readonly prototype: GPUAdapter };
  readonly GPUDevice: { readonly prototype: GPUDevice };
  readonly GPUQueue: { readonly prototype: GPUQueue };
  readonly GPUShaderModule: { readonly prototype: GPUShaderModule };
  readonly GPUBuffer: { readonly prototype: GPUBuffer };
}

/** The longest time in ms that the end waits, because a device that hangs must not hang the process. */
const MOST_PUT_OFF = 10_000;
const PAUSE = 0.2;

/** Callbacks that Dawn wants called in the next turn of the event loop. */
const waiting = new Set<() => void>();

let held = false;

/**
 * Keeps the callbacks in which Dawn fulfills its promises: it hands one to the global `setImmediate` as long as a promise is open. At the
 * `exit` event, which `process.exit()` and uncaught errors lead to, in workers too, they are called until no promise is open.
 *
 * Without that, Dawn aborts the process when a worker's memory is freed ("Promise not resolved or rejected"), and the threads that compile
 * shaders crash when the process ends. `worker.terminate()` has no such event: Dawn aborts where it is in a call or has a promise open.
 */
export function awaitAtExit(classes: DawnClasses): void {
  if (held) return;
  held = true;
  around(classes.GPU.prototype, "requestAdapter", holding);
  around(classes.GPUAdapter.prototype, "requestDevice", holding);
  around(classes.GPUDevice.prototype, "popErrorScope", holding);
  around(classes.GPUDevice.prototype, "createComputePipelineAsync", holding);
  around(classes.GPUDevice.prototype, "createRenderPipelineAsync", holding);
  around(classes.GPUShaderModule.prototype, "getCompilationInfo", holding);
  around(classes.GPUQueue.prototype, "onSubmittedWorkDone", holding);
  around(classes.GPUBuffer.prototype, "mapAsync", holding);
  process.once("exit", finishAll);
}

/** Replaces a method by one that has `run` call it. */
function around<Owner extends object>(
  prototype: Owner,
  name: keyof Owner & string,
  run: (call: () => unknown) => unknown,
): void {
  const method = Reflect.get(prototype, name) as (this: Owner, ...args: unknown[]) => unknown;
  Reflect.set(prototype, name, function (this: Owner, ...args: unknown[]) {
    return run(() => method.apply(this, args));
  });
}

function holding<T>(run: () => T): T {
  const real = globalThis.setImmediate;
  const keep = (callback: () => void): NodeJS.Immediate => {
    waiting.add(callback);
    return real(call, callback);
  };
  globalThis.setImmediate = keep as typeof setImmediate;
  try {
    return run();
  } finally {
    globalThis.setImmediate = real;
  }
}

/** Calls a callback of Dawn's, unless that was done out of turn. */
function call(callback: () => void): void {
  if (waiting.delete(callback)) holding(callback);
}

/** Has Dawn fulfill, now, the promises of what is finished. */
function fulfill(): void {
  for (const callback of [...waiting]) call(callback);
}

/** Waits, without a turn of the event loop, until all promises are fulfilled. */
function finishAll(): void {
  const end = performance.now() + MOST_PUT_OFF;
  const cell = new Int32Array(new SharedArrayBuffer(4));
  for (fulfill(); waiting.size > 0 && performance.now() < end; fulfill()) Atomics.wait(cell, 0, 0, PAUSE);
}
