// All rows, in the order of the table.
import { lenet } from "./lenet.ts";
import { matmul } from "./matmul.ts";
import { mlp } from "./mlp.ts";
import type { Row } from "./row.ts";

export const rows: readonly Row[] = [...matmul, mlp, lenet];
