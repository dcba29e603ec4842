// The worker: does everything that takes time, so that the page never waits. Orders come in as messages, news go out.
import { DeviceLostError, WgradError } from "wgrad";
import type { News, Order } from "./messages.ts";
import { Gate } from "./pausing.ts";
import { loadDigits, type Plan, RefusedError, Session, type Sets, type Snapshot } from "./session.ts";

/** A training that has begun and was not given up. */
interface Run {
  readonly gate: Gate;
  /** What it does while the gate is open. */
  doing: string;
}

let session: Promise<Session> | null = null;
let opened: Session | null = null;
let sets: Promise<Sets> | null = null;
/** What a new device starts from. */
let kept: Snapshot | null = null;
let run: Run | null = null;
/** Settles when the last training has let go of its device. */
let ended: Promise<unknown> = Promise.resolve();

function post(news: News): void {
  globalThis.postMessage(news);
}

/** What the page's address asks for. @throws RefusedError where that is no training. */
function planned(): Plan {
  const options = new URLSearchParams(globalThis.location.search);
  const whole = (name: string, standard: number): number => {
    const text = options.get(name) ?? String(standard);
    if (/^\d+$/.test(text) && Number(text) >= 1) return Number(text);
    throw new RefusedError(`The page's address must have a whole number of at least 1 as ${name}, not "${text}".`);
  };
  return { images: whole("images", 60_000), epochs: whole("epochs", 5), batch: whole("batch", 100) };
}

/** The session, on a new device where there is none or it was lost. */
function current(): Promise<Session> {
  if (opened?.lost === true) {
    const stopped = run !== null;
    abandon();
    if (stopped) tellStopped(`The graphics device was lost. ${howToGoOn()}`);
  }
  if (session === null) {
    const opening = ended.then(async () => {
      const made = await Session.open(kept?.weights ?? null);
      if (session === opening) opened = made;
      post({ kind: "device", name: made.adapterName });
      return made;
    });
    opening.catch(() => {
      if (session === opening) session = null;
    });
    session = opening;
  }
  return session;
}

/** Lets the session go, and its training. */
function abandon(): void {
  session = null;
  opened = null;
  run?.gate.stop();
  run = null;
}

function howToGoOn(): string {
  if (kept === null) return "Press Start to begin again.";
  const which = kept.epoch === 0 ? "that were loaded" : `after epoch ${kept.epoch}`;
  return `Press Start to go on with the weights ${which}.`;
}

function tell({ gate, doing }: Run): void {
  if (gate.closed) post({ kind: "state", state: "paused", text: "Paused." });
  else post({ kind: "state", state: "running", text: doing });
}

function tellStopped(text: string): void {
  post({ kind: "state", state: "paused", text: "Stopped." });
  post({ kind: "problem", order: "start", text });
}

/** What is wrong; `remedy` is for a device that was lost meanwhile. */
function explained(error: unknown, remedy: string): string {
  if (error instanceof DeviceLostError && opened?.lost === true) return `The graphics device was lost. ${remedy}`;
  const text = error instanceof Error ? error.message : String(error);
  return error instanceof WgradError || error instanceof RefusedError ? text : `Something went wrong: ${text}`;
}

async function train(): Promise<void> {
  const mine: Run = { gate: new Gate(), doing: "Loading the digits …" };
  run = mine;
  tell(mine);
  try {
    const plan = planned();
    sets ??= loadDigits(plan.images);
    sets.catch(() => {
      sets = null;
    });
    const [learner, digits] = await Promise.all([current(), sets]);
    mine.doing = `Training on ${digits.train.length.toLocaleString("en")} images`;
    if (run === mine) tell(mine);
    await mine.gate.pass();
    const epoch = kept?.epoch ?? 0;
    post({ kind: "begun", epoch });
    const training = learner.train(digits, plan, epoch, mine.gate, {
      progress(at, loss, accuracy) {
        if (run === mine) post({ kind: "progress", epoch: at, loss, accuracy });
      },
      tested(snapshot, accuracy) {
        if (run !== mine) return;
        kept = snapshot;
        post({ kind: "tested", epoch: snapshot.epoch, accuracy });
      },
    });
    ended = training.catch(() => undefined);
    await training;
    if (run === mine) post({ kind: "state", state: "finished", text: "Trained. Draw a digit." });
  } catch (error) {
    // Who gave it up has said so.
    if (run !== mine) return;
    const text = explained(error, howToGoOn());
    abandon();
    tellStopped(text);
  } finally {
    if (run === mine) run = null;
  }
}

async function obey(order: Order): Promise<void> {
  switch (order.kind) {
    case "start":
      if (opened?.lost === true) abandon();
      if (run === null) return train();
      run.gate.open();
      tell(run);
      return;
    case "pause":
      run?.gate.close();
      if (run !== null) tell(run);
      return;
    case "reset":
      abandon();
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
    case "load": {
      const learner = await current();
      await learner.load(order.bytes);
      if (learner !== opened) return;
      kept = { epoch: 0, weights: order.bytes };
      const state = run === null ? "idle" : run.gate.closed ? "paused" : "running";
      post({ kind: "state", state, text: "The weights are loaded." });
      return;
    }
    case "lose":
      opened?.lose();
      return;
    default:
      order satisfies never;
  }
}

globalThis.addEventListener("message", ({ data }: MessageEvent<Order>) => {
  obey(data).catch((error) => {
    post({ kind: "problem", order: data.kind, text: explained(error, "Do that again: the page opens a new one.") });
  });
});
