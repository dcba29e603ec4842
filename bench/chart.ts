// The pictures of docs/performance.md.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createCanvas, GlobalFonts } from "@napi-rs/canvas";
import {
  BarController,
  BarElement,
  CategoryScale,
  Chart,
  type ChartConfiguration,
  Legend,
  LinearScale,
  LineController,
  LineElement,
  LogarithmicScale,
  PointElement,
  Title,
} from "chart.js";
import { type EngineName, engineNames, engineTitles } from "./engines/engine.ts";
import type { PlanningCurve } from "./planning.ts";
import { measured, type RowReport } from "./report.ts";
import type { ScalingCurve } from "./scaling.ts";

const family = "Chart";
const ink = "#1f2933";
const font = { family, size: 13 };
const colours: Readonly<Record<EngineName, string>> = {
  wgrad: "#2563eb",
  "wgrad-compiled": "#93c5fd",
  tensorflow: "#ea580c",
  jax: "#16a34a",
};

/** Milliseconds per step of all engines, row by row, on a logarithmic axis. */
export function drawComparison(rows: readonly RowReport[], title: string): Uint8Array {
  const times = rows.flatMap(({ engines }) => engineNames.map((e) => measured(engines[e])?.median ?? Number.NaN));
  // Bars need a beginning that a logarithm has.
  const min = 10 ** Math.floor(Math.log10(Math.min(...times.filter((ms) => ms > 0))) - 0.1);
  const config: ChartConfiguration<"bar", (number | null)[]> = {
    type: "bar",
    data: {
      labels: rows.map(({ name }) => name),
      datasets: engineNames.map((engine) => ({
        label: engineTitles[engine],
        data: rows.map(({ engines }) => measured(engines[engine])?.median ?? null),
        backgroundColor: colours[engine],
      })),
    },
    options: {
      ...common(title),
      indexAxis: "y",
      scales: {
        x: { ...axis("ms per step, median"), type: "logarithmic", min },
        y: { ...axis(""), type: "category" },
      },
    },
  };
  return draw(config, 1000, 80 + 62 * rows.length);
}

/** Milliseconds per step over one size. */
export function drawScaling({ title, unit, points, base, slope }: ScalingCurve): Uint8Array {
  const last = points.at(-1)?.size ?? 0;
  const config: ChartConfiguration<"line", { x: number; y: number }[]> = {
    type: "line",
    data: {
      datasets: [
        {
          label: "median",
          data: points.map(({ size, ms }) => ({ x: size, y: ms })),
          borderColor: colours.wgrad,
          backgroundColor: colours.wgrad,
          pointRadius: 4,
          showLine: false,
        },
        {
          label: "straight line",
          data: [0, last].map((x) => ({ x, y: base + slope * x })),
          borderColor: colours.tensorflow,
          borderWidth: 1.5,
          pointRadius: 0,
        },
      ],
    },
    options: {
      ...common(`ms per step over ${title}`),
      scales: { x: { ...axis(unit), type: "linear", min: 0 }, y: { ...axis("ms"), type: "linear", min: 0 } },
    },
  };
  return draw(config, 560, 360);
}

/** Milliseconds of planning over the nodes of a graph, both on logarithmic axes: a straight line of slope 1 is linear. */
export function drawPlanning(curves: readonly PlanningCurve[]): Uint8Array {
  const inks = ["#2563eb", "#ea580c", "#16a34a", "#9333ea", "#dc2626", "#0891b2"];
  const times = curves.flatMap(({ points }) => points.map(({ ms }) => ms));
  const config: ChartConfiguration<"line", { x: number; y: number }[]> = {
    type: "line",
    data: {
      datasets: [
        ...curves.map(({ title, points }, i) => ({
          label: title,
          data: points.map(({ nodes, ms }) => ({ x: nodes, y: ms })),
          borderColor: inks[i % inks.length] as string,
          backgroundColor: inks[i % inks.length] as string,
          borderWidth: 2,
          pointRadius: 4,
        })),
        {
          label: "0.1 ms per node",
          data: [300, 20_000].map((x) => ({ x, y: 0.1 * x })),
          borderColor: "#9ca3af",
          backgroundColor: "#9ca3af",
          borderWidth: 1.5,
          borderDash: [6, 6],
          pointRadius: 0,
        },
      ],
    },
    options: {
      ...common("ms to plan a graph, over its nodes"),
      scales: {
        x: { ...axis("nodes"), type: "logarithmic", min: 200, max: 30_000 },
        y: { ...axis("ms"), type: "logarithmic", min: 10 ** Math.floor(Math.log10(Math.min(...times))) },
      },
    },
  };
  return draw(config, 820, 560);
}

function common(title: string): {
  animation: false;
  responsive: false;
  devicePixelRatio: number;
  layout: object;
  plugins: object;
} {
  return {
    animation: false,
    responsive: false,
    devicePixelRatio: 1,
    layout: { padding: 12 },
    plugins: {
      title: { display: true, text: title, color: ink, font: { family: `${family} Bold`, size: 16, weight: "normal" } },
      legend: { labels: { font, color: ink, boxHeight: 8 } },
    },
  };
}

function axis(text: string): { ticks: object; grid: object; title: object } {
  const title = { display: text !== "", text, font, color: ink };
  return { ticks: { font, color: ink }, grid: { color: "#e5e7eb" }, title };
}

function draw<Type extends "bar" | "line", Data>(
  config: ChartConfiguration<Type, Data[]>,
  width: number,
  height: number,
): Uint8Array {
  // A font of its own: a server may have none.
  const require = createRequire(import.meta.url);
  for (const [weight, name] of [
    ["400", family],
    ["600", `${family} Bold`],
  ] as const) {
    GlobalFonts.register(
      readFileSync(require.resolve(`@fontsource/inter/files/inter-latin-${weight}-normal.woff2`)),
      name,
    );
  }
  Chart.register(BarController, BarElement, CategoryScale, Legend, LinearScale, LineController, LineElement);
  Chart.register(LogarithmicScale, PointElement, Title);
  const canvas = createCanvas(width, height);
  const context = canvas.getContext("2d");
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, width, height);
  const drawn = createCanvas(width, height);
  // Chart.js draws on any canvas; its types know the browser's only.
  const chart = new Chart(drawn as unknown as HTMLCanvasElement, config as ChartConfiguration);
  context.drawImage(drawn, 0, 0);
  chart.destroy();
  return canvas.toBuffer("image/png");
}
