// The picture of a training: curves of loss and accuracy, and the worst mistakes as images (Node).
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createCanvas, GlobalFonts, type SKRSContext2D } from "@napi-rs/canvas";
import {
  Chart,
  type ChartConfiguration,
  Legend,
  LinearScale,
  LineController,
  LineElement,
  PointElement,
  Title,
} from "chart.js";
import type { Mistake } from "./mistakes.ts";

/** One point of a curve; `epoch` counts passes over the training images. */
export interface Point {
  readonly epoch: number;
  readonly loss: number;
  readonly accuracy: number;
}

/** What the picture shows. */
export interface Report {
  readonly title: string;
  readonly training: readonly Point[];
  readonly testing: readonly Point[];
  readonly mistakes: readonly (Mistake & { readonly pixels: Uint8ClampedArray })[];
}

const family = "Report";
const width = 1200;
const chartWidth = 580;
const chartHeight = 400;
const ink = "#1f2933";
const blue = "#2563eb";
const orange = "#ea580c";
const perRow = 8;
const cell = { width: 140, height: 160, image: 112 };

/** The picture as PNG bytes. */
export function drawReport(report: Report): Uint8Array {
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
  const rows = Math.max(1, Math.ceil(report.mistakes.length / perRow));
  const canvas = createCanvas(width, 70 + chartHeight + 60 + rows * cell.height + 20);
  const context = canvas.getContext("2d");
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  text(context, report.title, 20, 42, `24px "${family} Bold"`);
  drawCurves(context, 10, "Loss", report, (point) => point.loss, { min: 0 });
  // The steep start would flatten what matters.
  const lowest = Math.min(1, ...report.testing.map((point) => point.accuracy));
  const range = { min: Math.max(0, 10 * Math.floor(10 * lowest - 0.5)), max: 100 };
  drawCurves(context, 610, "Accuracy (%)", report, (point) => 100 * point.accuracy, range);
  const top = 70 + chartHeight + 30;
  const heading = report.mistakes.length > 0 ? "Worst mistakes: surest of a wrong digit" : "No mistakes";
  text(context, heading, 20, top, `18px "${family} Bold"`);
  report.mistakes.forEach((mistake, i) => {
    drawMistake(context, mistake, 40 + (i % perRow) * cell.width, top + 20 + Math.floor(i / perRow) * cell.height);
  });
  return canvas.toBuffer("image/png");
}

function text(context: SKRSContext2D, words: string, x: number, y: number, font: string): void {
  context.font = font;
  context.fillStyle = ink;
  context.fillText(words, x, y);
}

function drawCurves(
  context: SKRSContext2D,
  x: number,
  title: string,
  report: Report,
  value: (point: Point) => number,
  range: { min: number; max?: number },
): void {
  const canvas = createCanvas(chartWidth, chartHeight);
  Chart.register(LineController, LineElement, PointElement, LinearScale, Legend, Title);
  const series = (points: readonly Point[]): { x: number; y: number }[] =>
    points.map((point) => ({ x: point.epoch, y: value(point) }));
  const font = { family, size: 13 };
  const axis = { ticks: { font, color: ink }, grid: { color: "#e5e7eb" } };
  const config: ChartConfiguration<"line", { x: number; y: number }[]> = {
    type: "line",
    data: {
      datasets: [
        {
          label: "training (dropout on)",
          data: series(report.training),
          borderColor: blue,
          backgroundColor: blue,
          borderWidth: 1.5,
          pointRadius: 0,
        },
        {
          label: "test",
          data: series(report.testing),
          borderColor: orange,
          backgroundColor: orange,
          borderWidth: 2,
          pointRadius: 4,
        },
      ],
    },
    options: {
      animation: false,
      responsive: false,
      devicePixelRatio: 1,
      plugins: {
        title: {
          display: true,
          text: title,
          color: ink,
          font: { family: `${family} Bold`, size: 16, weight: "normal" },
        },
        legend: { labels: { font, color: ink, boxHeight: 2 } },
      },
      scales: {
        x: { ...axis, type: "linear", min: 0, title: { display: true, text: "epoch", font, color: ink } },
        y: { ...axis, type: "linear", ...range },
      },
    },
  };
  // Chart.js draws on any canvas; its types know the browser's only.
  const chart = new Chart(canvas as unknown as HTMLCanvasElement, config);
  context.drawImage(canvas, x, 65);
  chart.destroy();
}

function drawMistake(context: SKRSContext2D, mistake: Report["mistakes"][number], x: number, y: number): void {
  const image = createCanvas(28, 28);
  const pixels = image.getContext("2d").createImageData(28, 28);
  mistake.pixels.forEach((grey, i) => {
    pixels.data.set([255 - grey, 255 - grey, 255 - grey, 255], 4 * i);
  });
  image.getContext("2d").putImageData(pixels, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(image, x, y, cell.image, cell.image);
  context.strokeStyle = "#d1d5db";
  context.strokeRect(x - 0.5, y - 0.5, cell.image + 1, cell.image + 1);
  const percent = (100 * mistake.confidence).toFixed(0);
  text(context, `${mistake.label} taken for ${mistake.predicted}`, x, y + cell.image + 17, `13px "${family}"`);
  text(context, `${percent}% sure`, x, y + cell.image + 33, `12px "${family}"`);
}
