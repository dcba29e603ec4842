// The page: buttons, chart and canvas. Everything that takes time is the worker's.
import { curves } from "./chart.ts";
import { drawOn } from "./drawing.ts";
import type { News, Order } from "./messages.ts";

function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
  return found;
}

const button = (id: string, pressed: () => void): HTMLButtonElement => {
  const found = element(id, HTMLButtonElement);
  found.addEventListener("click", pressed);
  return found;
};

const worker = new Worker(`worker.js${location.search}`, { type: "module" });
const send = (order: Order): void => worker.postMessage(order);

const chart = curves(element("chart", HTMLCanvasElement));
const status = element("status", HTMLElement);
const problem = element("problem", HTMLElement);
const answer = element("answer", HTMLElement);
const bars = Array.from({ length: 10 }, (_, digit) => {
  const row = document.createElement("li");
  const meter = document.createElement("meter");
  meter.setAttribute("aria-label", `probability of ${digit}`);
  row.append(`${digit} `, meter);
  element("digits", HTMLElement).append(row);
  return meter;
});

/** The order whose problem is shown. */
let failed: Order["kind"] | null = null;
function show(text: string | null, order: Order["kind"] | null = null): void {
  failed = order;
  problem.hidden = text === null;
  problem.textContent = text ?? "";
}

/** Gives an order that someone pressed a button for: what went wrong before is history. */
function give(order: Order): void {
  show(null);
  send(order);
}

// The newest picture is classified when the answer to the one before it is there.
let asked = 0;
let answered = 0;
let waiting = false;
function classify(): void {
  if (asked > answered) {
    waiting = true;
    return;
  }
  const pixels = drawing.pixels();
  if (pixels === null) return;
  send({ kind: "classify", number: ++asked, pixels });
}
const drawing = drawOn(element("canvas", HTMLCanvasElement), classify);

const start = button("start", () => give({ kind: "start" }));
const pause = button("pause", () => give({ kind: "pause" }));
button("reset", () => give({ kind: "reset" }));
button("clear", () => {
  drawing.clear();
  answer.textContent = "–";
  for (const meter of bars) meter.value = 0;
});
button("save", () => give({ kind: "save" }));
button("lose", () => send({ kind: "lose" }));
const file = element("load", HTMLInputElement);
file.addEventListener("change", async () => {
  const [chosen] = file.files ?? [];
  if (chosen !== undefined) give({ kind: "load", bytes: new Uint8Array(await chosen.arrayBuffer()) });
  file.value = "";
});
if (location.hash === "#debug") element("debug", HTMLElement).hidden = false;

function hear(news: News): void {
  switch (news.kind) {
    case "state":
      status.textContent = news.text;
      document.body.dataset.state = news.state;
      start.disabled = news.state === "running";
      pause.disabled = news.state !== "running";
      return;
    case "device":
      element("device", HTMLElement).textContent = news.name;
      return;
    case "begun":
      chart.cut(news.epoch);
      return;
    case "progress":
      chart.add(news.epoch, news.loss, news.accuracy);
      return;
    case "tested":
      status.textContent = `Epoch ${news.epoch}: ${(100 * news.accuracy).toFixed(2)} % of the test images right`;
      document.body.dataset.accuracy = String(news.accuracy);
      chart.addTest(news.epoch, news.accuracy);
      return;
    case "cleared":
      document.body.dataset.accuracy = "";
      chart.cut(-1);
      return;
    case "classified": {
      answered = news.number;
      if (failed === "classify") show(null);
      const best = news.probabilities.indexOf(Math.max(...news.probabilities));
      answer.textContent = String(best);
      bars.forEach((meter, digit) => {
        meter.value = news.probabilities[digit] ?? 0;
      });
      if (waiting) {
        waiting = false;
        classify();
      }
      return;
    }
    case "saved": {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([news.bytes as Uint8Array<ArrayBuffer>]));
      link.download = "digits.safetensors";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
      return;
    }
    case "problem":
      // A picture that failed is answered, too.
      if (news.order === "classify") answered = asked;
      show(news.text, news.order);
      return;
    default:
      news satisfies never;
  }
}

worker.addEventListener("message", ({ data }: MessageEvent<News>) => hear(data));
worker.addEventListener("error", (event) => {
  // A script that can't be fetched is told by an event that says nothing.
  if (event instanceof ErrorEvent) return show(`Something went wrong in the page's worker: ${event.message}`);
  show("The page's worker could not be started: its file, worker.js, could not be loaded. Load the page again.");
  for (const control of document.querySelectorAll<HTMLButtonElement | HTMLInputElement>("button, input"))
    control.disabled = true;
});
