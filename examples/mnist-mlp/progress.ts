// Progress of a training: a live bar in a terminal, plain lines elsewhere.
import progress from "cli-progress";
import type { Means, Progress } from "./train.ts";

/** Shows how a training goes on. */
export interface Display {
  epochStart(epoch: number): void;
  progress(progress: Progress): void;
  epochEnd(line: string): void;
  /** Gives the terminal back, in the middle of an epoch too. */
  close(): void;
}

/** What a display needs to know beforehand. */
export interface Extent {
  readonly epochs: number;
  /** Images per epoch. */
  readonly images: number;
}

/** A bar if `stream` is a terminal, else lines. */
export function display(stream: NodeJS.WriteStream, extent: Extent): Display {
  return stream.isTTY ? new Bar(stream, extent) : new Lines(stream, extent);
}

/** Measures speed, over the last reports, and the time that is left. */
class Clock {
  readonly #extent: Extent;
  readonly #marks: { seen: number; at: number }[] = [];
  #epoch = 0;

  constructor(extent: Extent) {
    this.#extent = extent;
  }

  startEpoch(epoch: number): void {
    this.#epoch = epoch;
    // The test between two epochs is no training.
    this.#marks.length = 0;
    this.#marks.push({ seen: epoch * this.#extent.images, at: performance.now() });
  }

  /** What is shown beside the bar. */
  fields({
    loss,
    accuracy,
    images,
  }: Means & { images: number }): Record<"loss" | "accuracy" | "speed" | "left", string> {
    const seen = this.#epoch * this.#extent.images + images;
    const at = performance.now();
    this.#marks.push({ seen, at });
    if (this.#marks.length > 10) this.#marks.shift();
    const from = this.#marks[0] ?? { seen: 0, at: 0 };
    const speed = (1000 * (seen - from.seen)) / (at - from.at);
    const left = (this.#extent.epochs * this.#extent.images - seen) / speed;
    return {
      loss: loss.toFixed(4),
      accuracy: `${(100 * accuracy).toFixed(1)}%`,
      speed: Math.round(speed).toLocaleString("en"),
      left: `${Math.ceil(left)} s`,
    };
  }
}

class Bar implements Display {
  readonly #bar: progress.SingleBar;
  readonly #stream: NodeJS.WriteStream;
  readonly #extent: Extent;
  readonly #clock: Clock;

  constructor(stream: NodeJS.WriteStream, extent: Extent) {
    this.#stream = stream;
    this.#extent = extent;
    this.#clock = new Clock(extent);
    this.#bar = new progress.SingleBar({
      stream,
      format: (options, params, payload) => {
        const { epoch, loss, accuracy, speed, left } = payload as Record<string, string>;
        return (
          `epoch ${epoch}/${extent.epochs} ${progress.Format.BarFormat(params.progress, options)} ` +
          `loss ${loss}  accuracy ${accuracy}  ${speed} images/s  ${left} left`
        );
      },
      barsize: 20,
      barCompleteChar: "█",
      barIncompleteChar: "░",
      hideCursor: true,
      clearOnComplete: true,
      // It would only stop the bar at Ctrl-C, and the program would go on.
      gracefulExit: false,
      linewrap: null,
    });
  }

  epochStart(epoch: number): void {
    this.#clock.startEpoch(epoch);
    this.#bar.start(this.#extent.images, 0, { epoch: epoch + 1, loss: "–", accuracy: "–", speed: "–", left: "–" });
  }

  progress(progress: Progress): void {
    this.#bar.update(progress.images, this.#clock.fields(progress));
  }

  epochEnd(line: string): void {
    this.#bar.stop();
    this.#stream.write(`${line}\n`);
  }

  close(): void {
    this.#bar.stop();
  }
}

class Lines implements Display {
  readonly #stream: NodeJS.WriteStream;
  readonly #extent: Extent;
  readonly #clock: Clock;
  #epoch = 0;
  #quarter = 0;

  constructor(stream: NodeJS.WriteStream, extent: Extent) {
    this.#stream = stream;
    this.#extent = extent;
    this.#clock = new Clock(extent);
  }

  epochStart(epoch: number): void {
    this.#epoch = epoch;
    this.#quarter = 0;
    this.#clock.startEpoch(epoch);
  }

  progress(progress: Progress): void {
    const part = progress.images / this.#extent.images;
    const quarter = Math.floor(4 * part);
    if (quarter === this.#quarter) return;
    this.#quarter = quarter;
    const { loss, accuracy, speed, left } = this.#clock.fields(progress);
    this.#stream.write(
      `epoch ${this.#epoch + 1}/${this.#extent.epochs}  ${Math.round(100 * part)}%  loss ${loss}  accuracy ${accuracy}  ` +
        `${speed} images/s  ${left} left\n`,
    );
  }

  epochEnd(line: string): void {
    this.#stream.write(`${line}\n`);
  }

  close(): void {}
}
