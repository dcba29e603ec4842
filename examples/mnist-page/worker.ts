// The worker: does everything that takes time, so that the page never waits. Orders come in as messages, news go out.
import { DeviceLostError, WgradError } from "wgrad";
import type { News, Order } from "./messages.ts";
import { StoppedError } from "./pausing.ts";
import { loadDigits, type Plan, Session, type Sets, type Snapshot } from "./session.ts";

const options = new URLSearchParams(globalThis.location.search);
const plan: Plan = {
  images: Number(options.get("images") ?? 60_000),
  epochs: Number(options.get("epochs") ?? 5),
  batch: Number(options.get("batch") ?? 100),
};

let session: Promise<Session> | null = null;
let sets: Promise<Sets> | null = null;
/** What a new device starts from. */
let kept: Snapshot | null = null;
let training = false;

function post(news: News): void {
  globalThis.postMessage(news);
}

/** The session, on a new device where there is none. */
function current(): Promise<Session> {
  session ??= Session.open(plan, post, kept).then((opened) => {
    post({ kind: "device", name: opened.adapterName });
    return opened;
  });
  return session;
}

/** Says what is wrong. After the loss of a device the next order opens a new one, with the weights of the last epoch. */
async function explain(error: unknown): Promise<void> {
  const broken = session;
  if (error instanceof DeviceLostError || broken === null) {
    session = null;
    kept = (await broken?.catch(() => null))?.snapshot ?? kept;
  }
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof DeviceLostError) {
    const from = kept === null ? "from the beginning" : `with the weights after epoch ${kept.epoch}`;
    post({ kind: "problem", text: `${text} Press start to go on ${from}.` });
  } else if (error instanceof WgradError) post({ kind: "problem", text });
  else post({ kind: "problem", text: `Something went wrong: ${text}` });
}

async function train(): Promise<void> {
  if (training) return;
  training = true;
  try {
    post({ kind: "state", state: "running", text: "Loading the digits …" });
    sets ??= loadDigits(plan.images);
    sets.catch(() => {
      sets = null;
    });
    const [opened, digits] = await Promise.all([current(), sets]);
    post({ kind: "state", state: "running", text: `Training on ${digits.train.length.toLocaleString("en")} images` });
    await opened.train(digits);
    post({ kind: "state", state: "finished", text: "Trained. Draw a digit." });
  } catch (error) {
    if (error instanceof StoppedError) post({ kind: "state", state: "idle", text: "Ready." });
    else {
      post({ kind: "state", state: "paused", text: "Stopped." });
      await explain(error);
    }
  } finally {
    training = false;
  }
}

async function obey(order: Order): Promise<void> {
  switch (order.kind) {
    case "start":
      (await session)?.gate.open();
      if (training) post({ kind: "state", state: "running", text: "Training" });
      await train();
      return;
    case "pause":
      (await session)?.gate.close();
      post({ kind: "state", state: "paused", text: "Paused." });
      return;
    case "reset":
      (await session)?.gate.stop();
      session = null;
      kept = null;
      post({ kind: "cleared" });
      post({ kind: "state", state: "idle", text: "Ready." });
      return;
    case "classify":
      post({
        kind: "classified",
        number: order.number,
        probabilities: await (await current()).classify(order.pixels),
      });
      return;
    case "save":
      post({ kind: "saved", bytes: await (await current()).save() });
      return;
    case "load":
      (await current()).load(order.bytes);
      post({ kind: "state", state: training ? "running" : "idle", text: "The weights are loaded." });
      return;
    case "lose":
      (await current()).lose();
      return;
    default:
      order satisfies never;
  }
}

globalThis.addEventListener("message", ({ data }: MessageEvent<Order>) => {
  obey(data).catch(explain);
});
