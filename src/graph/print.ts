// Consoles show the dtype, the shape, where the values are, and those that the host has. Nothing is computed or read for it.

import { bytesOf, type DType, decode } from "../base/dtype.ts";
import { WgradError } from "../base/errors.ts";
import { formatShape, type Shape, sizeOf } from "../base/shape.ts";
import { Tensor } from "./tensor.ts";

/** Tensors with more elements show the first and last of each dim, EDGE of each. */
const MOST_WHOLE = 100;
const EDGE = 3;
/** And none where that would still be more. */
const MOST_SHOWN = 1500;

/** How browsers' consoles are told to show a value in its own way, once "custom formatters" are switched on in their settings. */
interface Formatter {
  header(value: unknown): readonly unknown[] | null;
  hasBody(value: unknown): boolean;
}

/** Installs `toString` and what consoles and `JSON.stringify` call: `util.inspect` of Node, custom formatters of browsers. */
export function installPrinting(): void {
  const define = (name: string | symbol, value: unknown): void => {
    Object.defineProperty(Tensor.prototype, name, { configurable: true, writable: true, value });
  };
  define("toString", function (this: Tensor): string {
    return describe(this);
  });
  define(Symbol.for("nodejs.util.inspect.custom"), function (this: Tensor, depth: number): string {
    return depth < 0 ? `[${title(this)}]` : describe(this);
  });
  define("toJSON", function (this: Tensor): unknown {
    return withoutJson(this);
  });
  const page = globalThis as { devtoolsFormatters?: Formatter[] };
  page.devtoolsFormatters ??= [];
  page.devtoolsFormatters.push({
    header: (value) => (value instanceof Tensor ? ["pre", { style: "margin: 0" }, describe(value)] : null),
    hasBody: () => false,
  });
}

function title({ dtype, shape }: Tensor): string {
  return `Tensor ${dtype}${formatShape(shape)}`;
}

function describe(x: Tensor): string {
  const { state, element } = look(x);
  const head = `${title(x)} ${state}${x.requiresGrad ? ", requires grad" : ""}`;
  const values = element === null ? null : format(x.shape, x.dtype, element);
  if (values === null) return head;
  return `${head}${x.ndim > 1 ? "\n" : " "}${values}`;
}

interface Look {
  readonly state: "unread" | "on the device" | "on the host" | "disposed" | "lost";
  /** An element's value, where the host has it. */
  readonly element: ((index: number) => number) | null;
}

function look(x: Tensor): Look {
  if (x.disposed) return { state: "disposed", element: null };
  const { storage, offset, dtype } = x.node;
  if (storage === null) return { state: "unread", element: null };
  if (storage.failure !== null) return { state: "lost", element: null };
  const { host } = storage;
  if (host === null) return { state: storage.device === null ? "unread" : "on the device", element: null };
  const bytes = bytesOf(dtype);
  const element = (index: number): number => {
    const start = host.byteOffset + offset + index * bytes;
    return decode((host.buffer as ArrayBuffer).slice(start, start + bytes), dtype, 1)[0] as number;
  };
  return { state: "on the host", element };
}

/** The elements in brackets, as NumPy prints them; null if they are too many even when shortened. */
function format(shape: Shape, dtype: DType, element: (index: number) => number): string | null {
  const whole = sizeOf(shape) <= MOST_WHOLE;
  const isCut = (n: number): boolean => !whole && n > 2 * EDGE;
  if (sizeOf(shape.map((n) => (isCut(n) ? 2 * EDGE : n))) > MOST_SHOWN) return null;
  const part = (dim: number, at: number): string => {
    const n = shape[dim];
    if (n === undefined) return formatNumber(element(at), dtype);
    const size = sizeOf(shape.slice(dim + 1));
    const some = (from: number, to: number): string[] =>
      Array.from({ length: to - from }, (_, i) => part(dim + 1, at + (from + i) * size));
    const parts = isCut(n) ? [...some(0, EDGE), "…", ...some(n - EDGE, n)] : some(0, n);
    const lines = shape.length - dim - 1;
    return `[${parts.join(lines === 0 ? ", " : `,${"\n".repeat(lines)}${" ".repeat(dim + 1)}`)}]`;
  };
  return part(0, 0);
}

function formatNumber(value: number, dtype: DType): string {
  if (dtype === "bool") return String(value !== 0);
  if (Object.is(value, -0)) return "-0";
  // An f32 has seven digits at most.
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(6)));
}

/**
 * What `JSON.stringify` finds in place of `x`: a replacer sees a tensor, for which it may put something else (`compile` does), and what nobody
 * replaces throws.
 */
function withoutJson(x: Tensor): Tensor {
  return new Proxy(x, {
    // Private fields are the tensor's own.
    get: (target, name) => Reflect.get(target, name, target),
    ownKeys: () => {
      throw new WgradError(
        `JSON.stringify: a ${title(x)} is no plain data. Write await x.tolist() instead; io.toCheckpoint saves tensors.`,
      );
    },
  });
}
