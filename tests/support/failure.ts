// What must fail: the error of a wrong call, and what the error says.

import * as assert from "uvu/assert";
import { WgradError } from "../../src/base/errors.ts";
import { Tensor } from "../../src/tensor.ts";

export type ErrorClass = new (...args: never[]) => Error;

/** The error of a call that must fail, now or by rejecting. */
export async function failure(call: () => unknown): Promise<Error> {
  let result: unknown;
  try {
    result = await call();
  } catch (error) {
    if (error instanceof Error) return error;
    throw new Error(`threw ${String(error)}, which is no Error`);
  }
  const what = result instanceof Tensor ? `a tensor ${result.dtype}[${result.shape}]` : String(result);
  throw new Error(`accepted: it returned ${what}`);
}

/** The message of the error, of class `kind`, that a promise must be rejected with. */
export async function rejection(promise: Promise<unknown>, kind: ErrorClass = WgradError): Promise<string> {
  const error = await failure(() => promise);
  assert.instance(error, kind);
  return error.message;
}

/** Demands that `run` throws an error of class `kind` at once, with such a message. */
export function expectError(run: () => unknown, kind: ErrorClass, wording: RegExp): void {
  assert.throws(run, (error: unknown) => {
    assert.instance(error, kind);
    assert.match((error as Error).message, wording);
    return true;
  });
}
