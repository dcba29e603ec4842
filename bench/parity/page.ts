// The page's part: a function that its driver calls.
import { run } from "./run.ts";

Object.assign(globalThis, { runParity: run });
