// Node's part: reads the settings from standard input, prints the speeds.
import { text } from "node:stream/consumers";
import { measure } from "./steps.ts";

console.log(JSON.stringify(await measure(JSON.parse(await text(process.stdin)) as { seconds: number })));
