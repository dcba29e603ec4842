// Prints which WebGPU the tests run on: a test like all others, as pages run nothing else.

import { test } from "uvu";
import { init } from "wgrad";

test("names the adapter", async () => {
  const device = await init();
  const { vendor, architecture, description } = device.gpu.adapterInfo;
  const names = [vendor, architecture, description, device.adapterName].filter((part) => part !== "");
  console.log(
    `\nadapter: ${device.isSoftware ? "software" : "GPU"} · ${[...new Set(names)].join(", ") || "no name"}\n`,
  );
});

test.run();
