// PyTorch's whole op database against the engine: node scripts/run.mjs tests/reference/opdb-report.ts [--device] [op …]
// Reads build/opdb (npm run goldens opdb-all); by the float64 interpreter unless --device is given.

import { existsSync, readdirSync } from "node:fs";
import { scope } from "../../src/index.ts";
import { describe, deviceProblems, interpretedProblems, loadCalls, recordCall } from "../support/golden-calls.ts";

const FOLDER = "build/opdb";
const SHOWN = Number(process.env.SHOWN ?? 2);
const words = process.argv.slice(2);
const device = words.includes("--device");
const only = words.filter((word) => !word.startsWith("--"));
if (!existsSync(FOLDER)) {
  console.error(`opdb: ${FOLDER} is missing. npm run goldens opdb-all writes it.`);
  process.exit(2);
}

interface Tally {
  right: number;
  total: number;
}

const all = { forward: { right: 0, total: 0 }, gradient: { right: 0, total: 0 }, samples: { right: 0, total: 0 } };
const missing: string[] = [];
const names = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".json") && name !== "skipped.json")
  .map((name) => name.replace(/\.json$/, ""))
  .filter((name) => only.length === 0 || only.includes(name));
for (const name of names) {
  const file = loadCalls(`${FOLDER}/${name}`);
  const forward: Tally = { right: 0, total: 0 };
  const gradient: Tally = { right: 0, total: 0 };
  const complaints: string[] = [];
  for (const [i, sample] of file.calls.entries()) {
    let wrong: string | null = null;
    forward.total++;
    if (sample.gradients !== undefined) gradient.total++;
    try {
      const { expected } = recordCall(sample, file, i % 2 === 1);
      const problems = device
        ? await deviceProblems(expected, file.relative)
        : interpretedProblems(expected, file.relative);
      const bad = (kind: string) => problems.filter((p, k) => p !== null && expected[k]?.kind === kind);
      if (bad("forward").length === 0) forward.right++;
      if (sample.gradients !== undefined && bad("gradient").length === 0) gradient.right++;
      wrong = problems.find((p) => p !== null) ?? null;
      if (device) scope(() => undefined);
    } catch (error) {
      wrong = error instanceof Error ? error.message : String(error);
    }
    all.samples.total++;
    if (wrong === null) all.samples.right++;
    else complaints.push(`    ${sample.torch} ${i}: ${describe(sample, file)}: ${wrong}`.slice(0, 420));
  }
  all.forward.right += forward.right;
  all.forward.total += forward.total;
  all.gradient.right += gradient.right;
  all.gradient.total += gradient.total;
  if (file.calls.length === 0) missing.push(name);
  const share = ({ right, total }: Tally) => `${right}/${total}`.padStart(10);
  if (complaints.length > 0 || only.length > 0) {
    console.log(`${complaints.length > 0 ? "✗" : "✓"} ${name.padEnd(28)}${share(forward)}${share(gradient)}`);
    for (const line of complaints.slice(0, SHOWN)) console.log(line);
  }
}
const total = ({ right, total }: Tally) => `${right} of ${total} (${((100 * right) / total).toFixed(2)} %)`;
console.log(`\nforward ${total(all.forward)}, gradient ${total(all.gradient)}, samples ${total(all.samples)}`);
if (missing.length > 0) console.log(`without samples: ${missing.join(", ")}`);
