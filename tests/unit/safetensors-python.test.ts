// Safetensors with Python at the other end: a file that its package wrote is read, and what is written here is read there.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fromSafetensors, safetensorsMetadata, toSafetensors } from "../../src/io/index.ts";
import { tensor, zeros } from "../../src/tensor.ts";

const { fround } = Math;
const { NaN: NAN, POSITIVE_INFINITY: INFINITE } = Number;

test("a file by Python's safetensors", async () => {
  const bytes = readFileSync("tests/reference/data/python.safetensors");
  const found = fromSafetensors(bytes);
  assert.equal(safetensorsMetadata(bytes), { format: "np" });
  const expected: Record<string, [string, number[], number[]]> = {
    "fc1.weight": ["f32", [2, 3], [1.5, -0, fround(3e-39), INFINITE, NAN, -2.25]],
    "fc1.bias": ["f32", [0, 4], []],
    half: ["f16", [4], [1, -0.5, 65504, 2 ** -24]],
    double: ["f32", [2, 1], [fround(0.1), INFINITE]],
    steps: ["i32", [], [7]],
    counts: ["i32", [2], [-(2 ** 31), 2 ** 31 - 1]],
    bytes: ["u32", [5], [0, 1, 2, 3, 4]],
    flags: ["bool", [3], [1, 0, 1]],
    имя: ["i32", [1], [1]],
  };
  assert.equal(Object.keys(found).sort(), Object.keys(expected).sort());
  for (const [name, [dtype, shape, values]] of Object.entries(expected)) {
    const x = found[name];
    assert.equal([x?.dtype, [...(x?.shape ?? [])]], [dtype, shape], name);
    const read = [...((await x?.data()) ?? [])];
    assert.ok(read.length === values.length && read.every((v, i) => Object.is(v, values[i])), `${name}: ${read}`);
  }
});

/** A Python with numpy, or null. */
function findPython(): string | null {
  const names = process.env.PYTHON === undefined ? ["/usr/bin/python3", "python3"] : [process.env.PYTHON];
  return names.find((name) => spawnSync(name, ["-c", "import numpy"]).status === 0) ?? null;
}

const python = findPython();
// Without Python the test of the format, byte by byte, in safetensors.test.ts has to do.
const inPython = python === null ? test.skip : test;

inPython("what is written here, read by Python", async () => {
  const given = {
    "layer.weight": tensor([
      [0.1, -0, 1e-40],
      [INFINITE, -INFINITE, 3],
    ]),
    none: zeros([0, 3]),
    half: tensor([1, -65504, 2 ** -24], { dtype: "f16" }),
    counts: tensor(Int32Array.of(-1, 2 ** 31 - 1)),
    sizes: tensor(Uint32Array.of(0, 2 ** 32 - 1)),
    flags: tensor([true, false, true]),
    scalar: tensor(7),
    'ключ "x"\n': tensor([1]),
  };
  const folder = mkdtempSync(join(tmpdir(), "wgrad-"));
  try {
    const path = join(folder, "model.safetensors");
    writeFileSync(path, await toSafetensors(given, { metadata: { format: "pt", note: "ünïcode" } }));
    const told = spawnSync(python ?? "", ["tests/reference/safetensors_files.py", path], { encoding: "utf8" });
    assert.is(told.status, 0, told.stderr);
    const { metadata, tensors } = JSON.parse(told.stdout) as {
      metadata: Record<string, string>;
      tensors: Record<string, { dtype: string; shape: number[]; hex: string }>;
    };
    const hex = (...words: number[]) => Buffer.from(Uint32Array.from(words).buffer).toString("hex");
    const bits = (...values: number[]) => Buffer.from(Float32Array.from(values).buffer).toString("hex");
    assert.equal(metadata, { format: "pt", note: "ünïcode" });
    assert.equal(tensors, {
      "layer.weight": { dtype: "F32", shape: [2, 3], hex: bits(0.1, -0, 1e-40, INFINITE, -INFINITE, 3) },
      none: { dtype: "F32", shape: [0, 3], hex: "" },
      half: { dtype: "F16", shape: [3], hex: "003cfffb0100" },
      counts: { dtype: "I32", shape: [2], hex: hex(0xffffffff, 0x7fffffff) },
      sizes: { dtype: "U32", shape: [2], hex: hex(0, 0xffffffff) },
      flags: { dtype: "BOOL", shape: [3], hex: "010001" },
      scalar: { dtype: "F32", shape: [], hex: bits(7) },
      'ключ "x"\n': { dtype: "F32", shape: [1], hex: bits(1) },
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
