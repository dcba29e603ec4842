// All rows, in the order of the table.
import { convNet, residualNet } from "./conv-net.ts";
import { elementwise } from "./elementwise.ts";
import { gpt } from "./gpt.ts";
import { inference } from "./inference.ts";
import { lenet } from "./lenet.ts";
import { matmul } from "./matmul.ts";
import { mlp, wideMlp } from "./mlp.ts";
import { recurrent } from "./recurrent.ts";
import type { Row } from "./row.ts";
import { layerNorm, softmax } from "./row-ops.ts";

export const rows: readonly Row[] = [
  ...matmul,
  softmax,
  layerNorm,
  elementwise,
  mlp,
  wideMlp,
  lenet,
  convNet,
  residualNet,
  recurrent,
  gpt,
  ...inference,
];
