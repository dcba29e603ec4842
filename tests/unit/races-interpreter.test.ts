// The interpreter of WGSL itself: what orders accesses and what does not, where invocations must meet, and its arithmetic.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Dice } from "../support/random-program.ts";
import { runDispatch } from "../support/wgsl/dispatch.ts";

interface Run {
  readonly size?: number;
  readonly groups?: number;
  readonly subgroupSize?: number;
  readonly mixed?: boolean;
  readonly seed?: number;
  /** Elements of the result. */
  readonly count?: number;
  readonly declarations?: string;
  readonly type?: string;
}

/** What a body leaves in `out`, which begins as zeros; it knows `local`, `group` and `lane`. */
function run(body: string, options: Run = {}): Int32Array {
  const { size = 8, groups = 1, subgroupSize = 4, mixed = false, seed = 1, count = 16, type = "i32" } = options;
  const out = new Int32Array(count);
  const wgsl = `@group(0) @binding(0) var<storage, read_write> out: array<${type}>;
${options.declarations ?? ""}
@compute @workgroup_size(${size})
fn main(@builtin(workgroup_id) groupId: vec3<u32>, @builtin(local_invocation_index) local: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let group = groupId.x;
  ${body}
}`;
  const binding = { bytes: new Uint8Array(out.buffer), access: "read_write" } as const;
  const workgroups = [groups, 1, 1] as const;
  runDispatch({ wgsl, workgroups, bindings: [binding], uniform: null, subgroupSize, mixed }, new Dice(seed));
  return out;
}

function fails(name: string, body: string, options: Run = {}): void {
  for (let seed = 1; seed <= 5; seed++) {
    let found: unknown = null;
    try {
      run(body, { ...options, seed });
    } catch (error) {
      found = error;
    }
    assert.is((found as Error | null)?.name, name, `${found}`);
  }
}

const shared = { declarations: "var<workgroup> shared: array<i32, 8>;" };

test("workgroup memory is ordered by workgroupBarrier alone", () => {
  const exchange = (barrier: string) => `shared[local] = i32(local) * 3; ${barrier} out[local] = shared[7u - local];`;
  assert.equal([...run(exchange("workgroupBarrier();"), shared)].slice(0, 8), [21, 18, 15, 12, 9, 6, 3, 0]);
  fails("RaceError", exchange(""), shared);
  fails("RaceError", exchange("storageBarrier();"), shared);
});

test("storage is ordered by storageBarrier alone, and within a workgroup", () => {
  const exchange = (barrier: string, other: string) => `out[group * 8u + local] = 1; ${barrier} _ = out[${other}];`;
  run(exchange("storageBarrier();", "group * 8u + 7u - local"), { groups: 2 });
  fails("RaceError", exchange("workgroupBarrier();", "group * 8u + 7u - local"));
  fails("RaceError", exchange("storageBarrier();", "15u - group * 8u - local"), { groups: 2 });
});

test("reads do not race, writes of one value do", () => {
  run("out[local + 1u] = shared[0];", shared);
  fails("RaceError", "out[0] = 5;");
  fails("RaceError", "shared[0] = 5;", shared);
  fails("RaceError", "out[0] = 5;", { size: 1, groups: 2 });
  // Written before all read it, and read before it is written again.
  const barrier = "workgroupBarrier();";
  run(
    `if (local == 0u) { shared[0] = 1; } ${barrier} let x = shared[0]; ${barrier} if (local == 1u) { shared[0] = x; }`,
    shared,
  );
  fails(
    "RaceError",
    `if (local == 0u) { shared[0] = 1; } ${barrier} let x = shared[0]; if (local == 1u) { shared[0] = x; }`,
    shared,
  );
});

test("atomic operations race with plain accesses only", () => {
  const counters = { type: "atomic<i32>" };
  assert.is(run("atomicAdd(&out[0], 1);", { ...counters, groups: 3 })[0], 24);
  assert.is(run("atomicMax(&out[0], i32(local));", counters)[0], 7);
  const both = { declarations: "var<workgroup> n: atomic<u32>; var<workgroup> plain: u32;" };
  assert.is(run("atomicAdd(&n, 2u); workgroupBarrier(); out[local] = i32(atomicLoad(&n));", both)[3], 16);
});

test("a component is its vector", () => {
  fails("RaceError", "out[0][local % 4u] = 1;", { type: "vec4<i32>", size: 4 });
  assert.equal([...run("out[local].y = 1;", { type: "vec4<i32>", size: 4 })].slice(0, 6), [0, 1, 0, 0, 0, 1]);
});

test("writes beyond the end, and reads of workgroup memory there", () => {
  fails("BoundsError", "out[local * 3u] = 1;");
  fails("BoundsError", "out[i32(local) - 1] = 1;");
  fails("BoundsError", "out[local] = shared[local + 1u];", shared);
});

test("all invocations of a workgroup meet at one barrier", () => {
  fails("ControlFlowError", "if (local < 4u) { workgroupBarrier(); }");
  fails("ControlFlowError", "if (local < 4u) { return; } workgroupBarrier();");
  fails("ControlFlowError", "if (local < 4u) { workgroupBarrier(); } else { workgroupBarrier(); }");
  fails("ControlFlowError", "for (var i = 0u; i < local; i++) { workgroupBarrier(); }");
  run("if (group == 1u) { workgroupBarrier(); }", { groups: 2 });
});

test("lanes of a subgroup exchange values, whichever invocations they are", () => {
  for (const mixed of [false, true]) {
    for (let seed = 1; seed <= 4; seed++) {
      const sums = run(
        "var x = i32(lane); x += subgroupShuffleXor(x, 2u); x += subgroupShuffleXor(x, 1u); out[local] = x;",
        { mixed, seed },
      );
      assert.equal([...sums].slice(0, 8), Array(8).fill(6));
      const first = run("out[local] = subgroupBroadcast(i32(lane) + 5, 3u);", { mixed, seed });
      assert.equal([...first].slice(0, 8), Array(8).fill(8));
    }
  }
  // Only one order of lanes is the invocations' own.
  const own = run("out[local] = i32(lane);", { subgroupSize: 8 });
  assert.equal([...own].slice(0, 8), [0, 1, 2, 3, 4, 5, 6, 7]);
});

test("a subgroup operation is no barrier, needs its lanes and all of them", () => {
  fails(
    "RaceError",
    "shared[local] = 1; let x = subgroupBroadcast(1, 0u); out[local] = x + shared[local ^ 1u];",
    shared,
  );
  fails("ControlFlowError", "out[local] = subgroupShuffleXor(1, 4u);");
  fails("ControlFlowError", "if (lane < 2u) { out[local] = subgroupBroadcast(1, 0u); }");
  // A workgroup that does not fill its subgroup.
  fails("ControlFlowError", "out[local] = subgroupBroadcast(1, 9u);", { subgroupSize: 32 });
  run("out[local] = subgroupBroadcast(1, 7u);", { subgroupSize: 32 });
});

test("integers wrap, floats are f32, conversions are WGSL's", () => {
  const value = (expression: string): number => run(`out[0] = ${expression};`, { size: 1, count: 4 })[0] as number;
  const [one, big] = ["i32(local) + 1", "2147483647"];
  assert.is(value(`${big} + ${one}`), -(2 ** 31));
  assert.is(value(`(${big} - i32(local)) * 65537`), Math.imul(2147483647, 65537));
  assert.is(value("-7 / (2 + i32(local))"), -3);
  assert.is(value("-7 % (2 + i32(local))"), -1);
  assert.is(value("7 / i32(local)"), 7);
  assert.is(value("i32(u32(local) - 1u >> 28u)"), 15);
  assert.is(value("(-16 - i32(local)) >> 2u"), -4);
  assert.is(value("i32(f32(local) + 16777216.0 + 1.0)"), 16777216);
  assert.is(value("i32(f32(local) - 1e20)"), -(2 ** 31));
  assert.is(value("i32(u32(f32(local) - 3.5))"), 0);
  assert.is(value("bitcast<i32>(f32(local) + 1.0)"), 0x3f800000);
  assert.is(value("i32(round(f32(local) + 2.5))"), 2);
  assert.is(value("select(1, 2, local == 0u && !(local > 3u))"), 2);
  assert.is(value("i32(dot(vec3<f32>(1.0, 2.0, 3.0), vec3(4.0)))"), 24);
  assert.is(value("vec4<i32>(1, 2, 3, 4).wzyx[local + 1u]"), 3);
  assert.is(value("((vec4<i32>(1, 2, 3, 4) * 2).wzyx).y"), 6);
  assert.is(value("(array<vec2<i32>, 2>(vec2<i32>(1, 2), vec2<i32>(3, 4))[local + 1u]).y"), 4);
  assert.is(value("i32(0x1p-2f * 0x1.8p+3f)"), 3);
});

test("loops, branches, arrays and structs", () => {
  const text = `struct Pair { a: i32, b: vec2<i32> }
fn swapped(p: Pair) -> Pair { return Pair(p.b.x, vec2<i32>(p.a, p.b.y)); }
fn sum(n: i32) -> i32 { var s = 0; for (var i = 0; i < n; i++) { if (i == 2) { continue; } if (i == 5) { break; } s += i; } return s; }
var<private> own: i32 = 4;
var<workgroup> pairs: array<Pair, 8>;`;
  const body = `
pairs[local] = swapped(Pair(i32(local), vec2<i32>(10, 20)));
workgroupBarrier();
var stage: array<vec2<i32>, 3>;
for (var i = 0; i < 3; i++) { stage[i] = vec2<i32>(i, 2 * i); stage[i].y += 1; }
var n = 0;
while (n * n < 30) { n++; }
{ let n = 100; own += n; }
out[local] = pairs[local ^ 1u].b.x + pairs[0].a * 10 + stage[n - 4].y * 1000 + sum(9) * 10000 + own * 1000000;`;
  const found = run(body, { declarations: text });
  assert.equal(
    [...found].slice(0, 4),
    [1, 0, 3, 2].map((x) => x + 100 + 5000 + 80_000 + 104_000_000),
  );
});

test("what it does not know it refuses", () => {
  assert.throws(() => run("out[0] = i32(frexp(2.0).fract);"), /line 6: the interpreter of WGSL does not know/);
  assert.throws(() => run("out[0] = 1.5;"), /f32 where i32 is wanted/);
  assert.throws(() => run("loop { if (local > 9u) { break; } }", { size: 1 }), /does not know the statement loop/);
});

test.run();
