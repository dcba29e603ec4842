// The ops as methods of Tensor, and what consoles show of one: importing this module installs them.

import { installPrinting } from "./graph/print.ts";
import type { Methods } from "./graph/tensor.ts";
import { install } from "./install.ts";
import * as ops from "./ops/methods.ts";

// A page that imports "wgrad/core" and does without this module carries only the ops that it calls.
declare module "./graph/tensor.ts" {
  interface Tensor extends Methods<typeof ops> {
    // Of a function with several signatures the mapped type sees the last only.
    median(): Tensor;
    median(dim: number, keepdim?: boolean): ops.Found;
    median(dim?: number | null, keepdim?: boolean): Tensor | ops.Found;
  }
}

install(ops);
installPrinting();
