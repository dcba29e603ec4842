// The texts of kernels: sixteen snapshots, which docs/shaders.md shows, and what holds of every text.

import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as ops from "../../src/ops/methods.ts";
import { RESERVED } from "../../src/shaders/scopes.ts";
import { explain, ones, type Tensor, tensor, zeros } from "../../src/tensor.ts";
import { kernelOf, shaderCases } from "../support/shader-cases.ts";
import { GALLERY, galleryBlocks, snapshotOf } from "../support/shader-snapshots.ts";

const input = (...shape: number[]): Tensor => tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), { shape });

const textOf = (x: Tensor): string =>
  explain(x)
    .kernels.map(({ wgsl }) => wgsl)
    .join("\n");

for (const shader of shaderCases) {
  test(`${shader.name} is written as its snapshot says`, () => {
    // npm run shaders writes them anew.
    assert.fixture(kernelOf(shader).listing, readFileSync(snapshotOf(shader.name), "utf8"));
  });
}

test("docs/shaders.md shows the snapshots", () => {
  const blocks = galleryBlocks(readFileSync(GALLERY, "utf8"));
  assert.equal([...blocks.keys()].sort(), shaderCases.map(({ name }) => name).sort());
  for (const [name, text] of blocks) assert.fixture(text, readFileSync(snapshotOf(name), "utf8"), name);
});

test("what multiplies by one or adds nothing is not written, also behind a view", () => {
  const x = input(8, 4);
  for (const y of [x.mul(ones([8, 4])), x.div(ones([4])), x.add(zeros([8, 1])), x.sub(zeros([4]).sub(0))])
    assert.not.match(textOf(y.exp()), /let (mul|div|add|sub)\b|groups\.z/);
  const texts = shaderCases.map((shader) => kernelOf(shader).wgsl);
  for (const text of texts) {
    assert.not.match(text, /[*/] 1u?(?![\w.])/);
    assert.not.match(text, /\+ 0u?(?![\w.])/);
    assert.not.match(text, /% 1u?(?![\w.])/);
    assert.not.match(text, /for \(var (\w+) = 0; \1 < 1; /);
  }
});

test("an expression is named once in a scope", () => {
  for (const shader of shaderCases) {
    const scopes: Set<string>[] = [new Set()];
    const { family, wgsl } = kernelOf(shader);
    if (family === "kernel") continue;
    for (const line of wgsl.slice(wgsl.indexOf("@compute")).split("\n")) {
      const code = /^\s*let \w+ = (.+);$/.exec(line)?.[1];
      // Workgroup memory has other contents after a barrier.
      if (code !== undefined && !code.includes("scratch")) {
        assert.not.ok(
          scopes.some((scope) => scope.has(code)),
          `${shader.name}: ${line}`,
        );
        scopes.at(-1)?.add(code);
      }
      if (/\{$/.test(line)) scopes.push(new Set());
      else if (/^\s*\}$/.test(line)) scopes.pop();
    }
  }
});

test("only functions that are called are in a text", () => {
  for (const shader of shaderCases) {
    const { wgsl } = kernelOf(shader);
    for (const [, name] of wgsl.matchAll(/\bfn (\w+)/g))
      if (name !== "main") assert.ok(wgsl.split(new RegExp(`\\b${name}\\b`)).length > 2, `${shader.name}: ${name}`);
  }
});

test("equal kernels of different tensors have equal texts, and listings that name these", () => {
  const [a, b] = [input(16, 8), input(16, 8)];
  a.requiresGrad = true;
  b.requiresGrad = true;
  a.label = "first.weight";
  b.label = "second.weight";
  const [first, second] = [a, b].map((x) => explain(x.mul(2).softmax(1)).kernels[0]);
  assert.is(first?.wgsl, second?.wgsl);
  assert.match(first?.listing ?? "", "// in0: first.weight f32[16,8]\n// out0: softmax f32[16,8]\n");
  assert.match(second?.listing ?? "", "// in0: second.weight f32[16,8]\n");
  assert.not.match(first?.wgsl ?? "", "//");
});

/** Words that WGSL has taken, and might take one day (https://www.w3.org/TR/WGSL/#keyword-summary, #reserved-words). */
const WORDS_OF_WGSL =
  `alias break case const const_assert continue continuing default diagnostic discard else enable false fn for if let
  loop override requires return struct switch true var while NULL Self abstract active alignas alignof as asm asm_fragment async attribute
  auto await become cast catch class co_await co_return co_yield coherent column_major common compile compile_fragment concept const_cast
  consteval constexpr constinit crate debugger decltype delete demote demote_to_helper do dynamic_cast enum explicit export extends extern
  external fallthrough filter final finally friend from fxgroup get goto groupshared highp impl implements import inline instanceof
  interface layout lowp macro macro_rules match mediump meta mod module move mut mutable namespace new nil noexcept noinline nointerpolation
  non_coherent noncoherent noperspective null nullptr of operator package packoffset partition pass patch pixelfragment precise precision
  premerge priv protected pub public readonly ref regardless register reinterpret_cast require resource restrict self set shared sizeof
  smooth snorm static static_assert static_cast std subroutine super target template this thread_local throw trait try type typedef typeid
  typename typeof union unless unorm unsafe unsized use using varying virtual volatile wgsl where with writeonly yield`.split(
    /\s+/,
  );

test("no variable is called as WGSL's own words", () => {
  const ours = Object.keys(ops).filter((name) => WORDS_OF_WGSL.includes(name) && !RESERVED.has(name));
  assert.equal(ours, []);
});

test.run();
