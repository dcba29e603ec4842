// The ops as methods of Tensor, and what consoles show of one: importing this module installs them.

import { installPrinting } from "./graph/print.ts";
import { install } from "./install.ts";
import * as ops from "./ops/methods.ts";
import type { OpMethods } from "./ops/tensor-methods.ts";

// A page that imports "wgrad/core" does without this module and carries only the ops that it calls.
declare module "./graph/tensor.ts" {
  interface Tensor extends OpMethods {}
}

install(ops);
installPrinting();
