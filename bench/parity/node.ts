// Node's part: reads a task from standard input, prints the findings.
import { text } from "node:stream/consumers";
import { run, type Task } from "./run.ts";

console.log(JSON.stringify(await run(JSON.parse(await text(process.stdin)) as Task)));
