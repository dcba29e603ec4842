// How long the planner takes over graphs of many sizes, without a device: node scripts/run.mjs bench/planning.ts [FAMILY…] [--most NODES] [--image]
import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { grad, layerNorm, linear, type Tensor, tensor } from "wgrad";
import { planOf } from "../src/engine/plan-cache.ts";
import { capture } from "../src/graph/program.ts";
import { GUARANTEED } from "../src/shaders/kernel.ts";
import { drawPlanning } from "./chart.ts";
import { uniform } from "./rows/row.ts";

/** One graph, planned. */
export interface PlanningPoint {
  readonly nodes: number;
  /** Of processor time, from the recorded graph to the plan with its shaders: others' work on the machine disturbs it little. */
  readonly ms: number;
  readonly kernels: number;
}

export interface PlanningCurve {
  readonly title: string;
  readonly points: readonly PlanningPoint[];
}

/** Graphs of one kind: `make` records one of so many links. */
interface Family {
  readonly name: string;
  readonly title: string;
  readonly make: (links: number) => readonly Tensor[];
}

const sizes = [300, 1000, 3000, 10_000, 20_000];

function data(shape: readonly number[], requiresGrad = false): Tensor {
  const count = shape.reduce((product, n) => product * n, 1);
  return tensor(uniform(count, 7, 0.5), { shape, requiresGrad });
}

/** A value and its gradients. */
function withGradients(value: Tensor, leaves: readonly Tensor[]): readonly Tensor[] {
  return [value, ...grad(value, leaves)];
}

const families: readonly Family[] = [
  {
    name: "chain",
    title: "chain of elementwise ops",
    make: (links) => {
      let x = data([64, 64]);
      for (let i = 0; i < links; i++) x = x.mul(0.9).tanh();
      return [x];
    },
  },
  {
    name: "norms",
    title: "chain of layer norms",
    make: (links) => {
      let x = data([8, 4]);
      for (let i = 0; i < links; i++) x = layerNorm(x, [4]);
      return [x];
    },
  },
  {
    name: "tree",
    title: "tree of products, with gradients",
    make: (links) => {
      const leaves = Array.from({ length: links }, () => data([16], true));
      let level: readonly Tensor[] = leaves;
      while (level.length > 1)
        level = Array.from({ length: Math.ceil(level.length / 2) }, (_, i) => {
          const [a, b] = [level[2 * i] as Tensor, level[2 * i + 1]];
          return b === undefined ? a : a.mul(b).add(0.5);
        });
      return withGradients((level[0] as Tensor).sum(), leaves);
    },
  },
  {
    name: "residual",
    title: "residual network, with gradients",
    make: (links) => {
      const leaves: Tensor[] = [];
      const parameter = (...shape: number[]): Tensor => {
        const made = data(shape, true);
        leaves.push(made);
        return made;
      };
      let x = data([16, 32]);
      for (let i = 0; i < links; i++) {
        const inside = layerNorm(x, [32], { weight: parameter(32), bias: parameter(32) });
        const wide = linear(inside, parameter(64, 32), { bias: parameter(64) }).relu();
        x = x.add(linear(wide, parameter(32, 64), { bias: parameter(32) }));
      }
      return withGradients(x.square().mean(), leaves);
    },
  },
  {
    name: "recurrence",
    title: "recurrence written out, with gradients",
    make: (links) => {
      const leaves = [data([32, 16], true), data([32, 32], true), data([32], true)];
      const [fromInput, fromState, bias] = leaves as [Tensor, Tensor, Tensor];
      const rows = data([links, 8, 16]).unbind();
      let h = data([8, 32]);
      for (const row of rows) h = linear(row, fromInput, { bias }).add(linear(h, fromState)).tanh();
      return withGradients(h.square().mean(), leaves);
    },
  },
  {
    name: "simulation",
    title: "simulation (Lorenz), with gradients",
    make: (links) => {
      const rho = data([64], true);
      let [x, y, z] = [data([64]), data([64]), data([64])];
      for (let i = 0; i < links; i++) {
        const dx = y.sub(x).mul(10);
        const dy = x.mul(rho.sub(z)).sub(y);
        const dz = x.mul(y).sub(z.mul(8 / 3));
        [x, y, z] = [x.add(dx.mul(0.01)), y.add(dy.mul(0.01)), z.add(dz.mul(0.01))];
      }
      return withGradients(x.add(y).add(z).sum(), [rho]);
    },
  },
];

function captured(outputs: readonly Tensor[]): ReturnType<typeof capture> {
  return capture(outputs.map(({ node }) => ({ node, slot: null })));
}

/** Links of a graph of about so many nodes. */
function linksFor(family: Family, nodes: number): number {
  const count = (links: number): number => captured(family.make(links)).nodes.length;
  const [few, more] = [count(16), count(32)];
  return Math.max(1, Math.round(16 + ((nodes - few) * 16) / (more - few)));
}

function plan(family: Family, nodes: number): PlanningPoint {
  const outputs = family.make(linksFor(family, nodes));
  const times: number[] = [];
  // Short ones again, for the least disturbed.
  for (let spent = 0; times.length === 0 || (times.length < 5 && spent < 2000); ) {
    const start = process.cpuUsage();
    const graph = captured(outputs);
    const { steps } = planOf(
      graph,
      graph.constants.map(() => false),
      GUARANTEED,
    );
    const { user, system } = process.cpuUsage(start);
    const ms = (user + system) / 1000;
    times.push(ms);
    spent += ms;
    if (times.length === 5 || spent >= 2000)
      return { nodes: graph.nodes.length, ms: Math.min(...times), kernels: steps.length };
  }
  throw new Error("nothing was planned");
}

const { values, positionals } = parseArgs({
  options: { most: { type: "string", default: "20000" }, image: { type: "boolean", default: false } },
  allowPositionals: true,
});
const curves: PlanningCurve[] = [];
for (const family of families) {
  if (positionals.length > 0 && !positionals.includes(family.name)) continue;
  console.log(`\n${family.title}`);
  plan(family, 100);
  const points: PlanningPoint[] = [];
  for (const size of sizes.filter((n) => n <= Number(values.most))) {
    const point = plan(family, size);
    points.push(point);
    console.log(
      `  ${String(point.nodes).padStart(6)} nodes ${point.ms.toFixed(0).padStart(7)} ms ${String(point.kernels).padStart(6)} kernels`,
    );
  }
  curves.push({ title: family.title, points });
}
if (values.image) {
  mkdirSync("docs", { recursive: true });
  writeFileSync("docs/planning.png", drawPlanning(curves));
  console.log("\nwrote docs/planning.png");
}
