// Trains the same networks in Node and in Chromium and compares: npm run parity [-- steps]

import { findChromium } from "./chromium.mjs";
import { findSwiftShader, openPlace, runInNode } from "./places.mjs";

const STEPS = Number(process.argv[2] ?? 100);
if (!Number.isInteger(STEPS) || STEPS < 2) {
  console.error(`parity: the number of steps must be a whole number of at least 2, got ${process.argv[2]}`);
  process.exit(2);
}
const CHECKPOINT_AT = Math.floor(STEPS / 2);
const CONTINUED = Math.min(10, STEPS - CHECKPOINT_AT);
/** How far losses may be apart, as a part of themselves. */
const EARLY = { until: 20, tolerance: 1e-4 };
const LATE = 1e-2;

const swiftShader = findSwiftShader();
const problems = [];
const chromium = findChromium() === null ? null : await openPlace("bench/parity/page.ts");
const places = {
  "Node, default device": (task) => runInNode("bench/parity/node.ts", task),
  ...(swiftShader === null
    ? {}
    : { "Node, SwiftShader": (task) => runInNode("bench/parity/node.ts", task, swiftShader) }),
  ...(chromium === null
    ? {}
    : {
        [`Chromium ${chromium.version}`]: async (task) => {
          await chromium.open();
          return chromium.call("runParity", task);
        },
      }),
};
if (swiftShader === null)
  console.log("parity: SwiftShader is skipped: there is no vk_swiftshader_icd.json beside Chromium");
if (chromium === null) console.log("parity: Chromium is skipped: there is none on this machine");

try {
  const task = { steps: STEPS, checkpointAt: CHECKPOINT_AT };
  const found = {};
  for (const [place, run] of Object.entries(places)) {
    found[place] = await run(task);
    console.log(`${place}: ${found[place].adapter}`);
  }
  const [base, ...others] = Object.keys(found);
  compareBits(found, base, others);
  for (const network of Object.keys(found[base].losses)) compareLosses(network, found, base, others);
  for (const [writer, reader] of handovers(Object.keys(found))) {
    const continued = await places[reader]({ ...task, from: found[writer].checkpoints, continued: CONTINUED });
    compareContinued(writer, reader, found[writer].losses, continued.losses);
  }
} finally {
  await chromium?.close();
}
console.log(problems.length === 0 ? "\nparity: all places agree" : `\nparity: ${problems.join("\n        ")}`);
process.exitCode = problems.length === 0 ? 0 : 1;

/** Who goes on with whose checkpoint: each with the next one's. */
function handovers(names) {
  return names.length < 2 ? [] : names.map((name, i) => [name, names[(i + 1) % names.length]]);
}

function compareBits(found, base, others) {
  console.log("");
  for (const [what, digest] of Object.entries(found[base].bits)) {
    const different = others.filter((place) => found[place].bits[what] !== digest);
    console.log(
      `${what.padEnd(18)} ${digest} ${different.length === 0 ? "everywhere" : `not in ${different.join(", ")}`}`,
    );
    for (const place of different) problems.push(`${what}: other bits in ${place}`);
  }
}

function compareLosses(network, found, base, others) {
  console.log(`\n${network}`);
  console.log(["step", base, ...others].map((text) => text.padEnd(24)).join(""));
  const worst = Object.fromEntries(others.map((place) => [place, { early: 0, last: 0 }]));
  const expected = found[base].losses[network];
  expected.forEach((loss, step) => {
    const row = [String(step + 1).padEnd(24), loss.toFixed(6).padEnd(24)];
    for (const place of others) {
      const other = found[place].losses[network][step];
      const apart = Math.abs(other - loss) / Math.abs(loss);
      row.push(`${other.toFixed(6)} (${apart.toExponential(1)})`.padEnd(24));
      if (step < EARLY.until) worst[place].early = larger(worst[place].early, apart);
      worst[place].last = apart;
    }
    if (step < 3 || (step + 1) % 10 === 0 || step + 1 === expected.length) console.log(row.join("").trimEnd());
  });
  for (const place of others) {
    const { early, last } = worst[place];
    if (!(early <= EARLY.tolerance))
      problems.push(`${network}: ${place} is ${early.toExponential(1)} off in the first ${EARLY.until} steps`);
    if (!(last <= LATE)) problems.push(`${network}: ${place} is ${last.toExponential(1)} off at the end`);
  }
}

function compareContinued(writer, reader, original, continued) {
  let worst = 0;
  for (const [network, losses] of Object.entries(continued)) {
    losses.forEach((loss, i) => {
      const expected = original[network][CHECKPOINT_AT + i];
      worst = larger(worst, Math.abs(loss - expected) / Math.abs(expected));
    });
  }
  console.log(
    `${reader} goes on with the checkpoint of ${writer}: losses within ${worst.toExponential(1)} over ${CONTINUED} steps`,
  );
  if (!(worst <= EARLY.tolerance))
    problems.push(`${reader} goes on otherwise than ${writer}: ${worst.toExponential(1)}`);
}

/** The larger number; NaN stays. */
function larger(a, b) {
  return a >= b ? a : b;
}
