// Faults planted in texts that the engine writes: the interpreter of WGSL finds every one.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { DeviceTraits } from "../../src/graph/kernel-program.ts";
import { embedding, scaledDotProductAttention, type Tensor, tensor } from "../../src/index.ts";
import { GUARANTEED } from "../../src/shaders/kernel.ts";
import type { Schedule } from "../../src/shaders/schedules.ts";
import { type Edit, type Fault, plant, replacing, withoutBarrier } from "../support/fault.ts";
import { withGradients } from "../support/races.ts";
import { Dice } from "../support/random-program.ts";

const dice = new Dice(23);
const leaf = (...shape: number[]): Tensor => dice.leaf(shape, true);
const gpu: DeviceTraits = { ...GUARANTEED, kind: "gpu", subgroupSize: 0 };
const software: DeviceTraits = { ...GUARANTEED, kind: "software", subgroupSize: 0 };
const has =
  (wanted: object) =>
  (schedule: Schedule): boolean =>
    Object.entries(wanted).every(([key, value]) => (schedule as unknown as Record<string, unknown>)[key] === value);

/** Plants a fault, which must end as named; without it, all is well. */
function finds(what: string, error: string, fault: Fault): void {
  test(`${what}: ${error}`, () => {
    const [sound, faulty] = plant(fault);
    assert.is(sound, null, sound?.message);
    assert.is(faulty?.name, error, faulty?.message ?? "nothing was found");
  });
}

const everyBarrier =
  (as: string): Edit =>
  (text) => {
    if (!text.includes("workgroupBarrier")) throw new Error("planted nothing: no barrier");
    return text.replaceAll("workgroupBarrier", as);
  };

// Rows whose invocations meet in workgroup memory: three barriers per reduction.
const rows = { step: () => leaf(7, 68).softmax(1), device: gpu, schedule: has({ lanes: 8 }), where: "scratch" };
finds("no barrier before sums are added up", "RaceError", { ...rows, edit: withoutBarrier(0) });
finds("no barrier between the rounds of adding up", "RaceError", { ...rows, edit: withoutBarrier(1) });
finds("no barrier before memory is used again", "RaceError", { ...rows, edit: withoutBarrier(2) });
finds("storageBarrier for workgroupBarrier", "RaceError", { ...rows, edit: everyBarrier("storageBarrier") });
finds("a barrier that only some invocations reach", "ControlFlowError", {
  ...rows,
  edit: replacing(/workgroupBarrier\(\);/, "if (share < 4) { workgroupBarrier(); }"),
});
finds("invocations that leave before a barrier", "ControlFlowError", {
  ...rows,
  edit: replacing(/workgroupBarrier\(\);/, "if (share == 7) { return; }\n  workgroupBarrier();", 2),
});
finds("a round too many over the row", "ValueError", { ...rows, edit: replacing(/k < 17;/, "k <= 17;", 1) });

const sums = {
  step: () => leaf(7, 66).sum(1),
  device: gpu,
  schedule: has({ lanes: 8, workgroupSize: 64 }),
  where: "scratch",
};
finds("two invocations that write one result", "RaceError", { ...sums, edit: replacing(/share == 0/, "share <= 1") });
finds("no guard behind the last row", "RaceError", {
  ...sums,
  edit: replacing(/\(share == 0\) & \(row < 7\)/, "share == 0"),
});
finds("a sum that leaves out a lane", "ValueError", { ...sums, edit: replacing(/half > 0/, "half > 1") });

// A subgroup per row.
const subgroups = {
  step: () => leaf(5, 256).sum(1),
  device: { ...gpu, subgroupSize: 32 },
  schedule: has({ lanes: 32, workgroupSize: 32 }),
  where: "subgroupShuffleXor",
};
finds("an assumed subgroup size", "ControlFlowError", { ...subgroups, edit: (text) => text, subgroupSize: 16 });
finds("a shuffle left out", "ValueError", {
  ...subgroups,
  edit: replacing(/subgroupShuffleXor\((\w+), 8u\)/, "0.0"),
});
finds("a subgroup operation that only some lanes reach", "ControlFlowError", {
  ...subgroups,
  edit: replacing(
    / {2}let (\w+) = subgroupShuffleXor\((\w+), 4u\);/,
    "  var $1 = 0.0;\n  if (lane < 20u) { $1 = subgroupShuffleXor($2, 4u); }",
  ),
});

// What is kept of a row while invocations past the end have the last row as theirs.
finds("invocations past the end that read what the last row keeps", "RaceError", {
  step: () => {
    const p = leaf(6, 5).softmax(1);
    return [p, p.mul(p.log())];
  },
  device: software,
  where: /select\(0, 5 \* i32\(groups\.z\), row < 6\)/,
  edit: (text) => text.replaceAll("select(0, 5 * i32(groups.z), row < 6)", "5 * i32(groups.z)"),
});

const map = { step: () => leaf(70).exp(), device: gpu, where: "arrayLength" };
finds("a neighbour's result read without a barrier", "RaceError", {
  ...map,
  edit: replacing(/out0\[t\] = (\w+);/, "out0[t] = $1 + 0.0 * out0[max(t, 1) - 1];"),
});
finds("a map without its guard", "BoundsError", {
  ...map,
  edit: replacing(/t < i32\(arrayLength\(&out0\)\)/, "t >= 0"),
});
finds("one element written by all invocations", "RaceError", {
  step: () => leaf(1, 1).exp(),
  device: gpu,
  where: "t < 1",
  edit: replacing(/t < 1/, "t < i32(arrayLength(&out0))"),
});

// Contractions through workgroup memory, and with rows spread over a subgroup.
const tiles = {
  step: () => leaf(64, 32).matmul(leaf(32, 64)),
  device: gpu,
  schedule: (schedule: Schedule) => "chunk" in schedule && Number(schedule.chunk) > 0,
  where: "tile_rows",
};
finds("no barrier between loading a tile and its use", "RaceError", { ...tiles, edit: withoutBarrier(0) });
finds("no barrier before the next tile is loaded", "RaceError", { ...tiles, edit: withoutBarrier(1) });
finds("a tile that is not loaded to its end", "ValueError", { ...tiles, edit: replacing(/p < 4;/, "p < 3;") });
finds("a part of a tile that is loaded twice", "RaceError", { ...tiles, edit: replacing(/p < 4;/, "p < 5;") });

const edges = { step: () => leaf(13, 5).matmul(leaf(5, 9)), where: "fma(vec4<f32>" };
finds("no guard at the edge of a product", "RaceError", {
  ...edges,
  device: gpu,
  edit: replacing(/\(row[^<]* < 13\) & /, ""),
});
finds("lanes taken for invocations in order", "ValueError", {
  ...edges,
  device: { ...software, subgroupSize: 8 },
  edit: replacing(/i32\(lane\)/, "i32(local)"),
});

// Scans and sorts.
const scan = { step: () => leaf(2, 2100).cumsum(1), device: gpu, where: "parts" };
finds("a scan that reads and writes between the same barriers", "RaceError", { ...scan, edit: withoutBarrier(1) });
finds("a scan that begins again too early", "RaceError", { ...scan, edit: withoutBarrier(3) });
finds("a barrier in a branch of a scan", "RaceError", {
  ...scan,
  edit: replacing(/(before = parts\[local - step\];) \}\s+workgroupBarrier\(\);/, "$1 workgroupBarrier(); }"),
});
const sort = { step: () => leaf(5, 37).sort({ dim: 1 }).values, device: gpu, where: "orders" };
finds("no barrier between two merges", "RaceError", { ...sort, edit: withoutBarrier(2) });
finds("a merge that reads behind its runs", "RaceError", {
  ...sort,
  edit: replacing(/min\(taken \+ 1u, last\)/, "taken + 1u"),
});

// Attention.
const attention = {
  step: withGradients((q, k, v) => scaledDotProductAttention(q, k, v), leaf(2, 9, 8), leaf(2, 70, 8), leaf(2, 70, 8)),
  device: gpu,
};
finds("a tile of keys replaced while others read it", "RaceError", {
  ...attention,
  where: "tile_k",
  edit: withoutBarrier(0),
});
finds("components of one vector written by several invocations", "RaceError", {
  ...attention,
  where: "vec4<f32>(total_0)",
  edit: replacing(/gradients\[(\d+) \+ (.+)\] = vec4<f32>\(total_0\)/, "gradients[$1 + ($2) / 4][($2) & 3] = total_0"),
});

// Lists of indices.
const numbers = tensor(Int32Array.from({ length: 300 }, (_, i) => (i * 7) % 10));
finds("counters without atomic operations", "RaceError", {
  step: () => numbers.bincount(),
  device: gpu,
  where: "atomicAdd",
  edit: (text) =>
    replacing(
      /atomicAdd\(&counts\[key\], 1\);/,
      "counts[key] += 1;",
    )(replacing(/array<atomic<i32>>/, "array<i32>")(text)),
});
finds("a list that is walked one too far", "ValueError", {
  step: withGradients(
    (w) => embedding(tensor(Int32Array.from({ length: 1500 }, (_, i) => (i * 7) % 300)), w),
    leaf(300, 3),
  ),
  device: gpu,
  where: "total = combine(total",
  edit: replacing(/for \(; k < end; k\+\+\)/, "for (; k <= end; k++)"),
});

test.run();
