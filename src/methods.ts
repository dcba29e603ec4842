// The ops as methods of Tensor, and what consoles show of one: importing this module installs them.

import type { OpMethods } from "./generated/op-methods.ts";
import { install } from "./graph/install.ts";
import { installPrinting } from "./graph/print.ts";
import * as ops from "./ops/methods.ts";

// A page that imports "wgrad/core" does without this module and carries only the ops that it calls.
declare module "./graph/tensor.ts" {
  interface Tensor extends OpMethods {}
}

install(ops);
installPrinting();
