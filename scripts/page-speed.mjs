// Compares training in Chromium with training in Node on the same SwiftShader: npm run bench:page [-- seconds per network]

import { findChromium } from "./chromium.mjs";
import { findSwiftShader, openPlace, runInNode } from "./places.mjs";

const ROUNDS = 3;
const seconds = Number(process.argv[2] ?? 3);
const driver = findSwiftShader();
if (driver === null || findChromium() === null) {
  console.error(
    "bench:page: Chromium with its SwiftShader (vk_swiftshader_icd.json) is needed and not on this machine",
  );
  process.exit(1);
}

const place = await openPlace("bench/page/page.ts");
try {
  const first = [];
  const rounds = { node: [], page: [] };
  for (let round = 0; round < ROUNDS; round++) {
    // Alternating: the machine may be busy with other things, too.
    await place.open();
    first.push(await place.call("readFirst"));
    rounds.page.push(await place.call("measure", { seconds }));
    rounds.node.push(await runInNode("bench/page/node.ts", { seconds }, driver));
  }
  const [page] = rounds.page;
  console.log(
    `Chromium ${place.version} (${page.adapter}) against Node ${process.version} (${rounds.node[0].adapter})`,
  );
  console.log(`medians of ${ROUNDS} rounds, ${seconds} s each\n`);
  console.log(`navigation to the loss of the first step: ${median(first).toFixed(0)} ms`);
  for (const name of Object.keys(page.stepsPerSecond)) {
    const [inPage, inNode] = [rounds.page, rounds.node].map((all) => median(all.map((r) => r.stepsPerSecond[name])));
    const calls = (key) => median(rounds.page.map((r) => r[key][name])).toFixed(1);
    console.log(
      `${name}: ${inPage.toFixed(1)} steps/s in Chromium, ${inNode.toFixed(1)} in Node (${((100 * inPage) / inNode).toFixed(0)} %); ` +
        `a step keeps the page's thread for ${calls("usualCall")} ms (99 of 100), ${calls("longestCall")} ms (longest)`,
    );
  }
} finally {
  await place.close();
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
