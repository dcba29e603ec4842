// Takes the content of a checkpoint apart into JSON and named tensors, and puts it together again.

import { WgradError } from "../base/errors.ts";
import { messageOf, printed } from "../ops/check.ts";
import { Tensor } from "../tensor.ts";

/** Something with state to save: a model, an optimizer, a learning-rate schedule. */
export interface Stateful {
  stateDict(): object;
}

/** A tree taken apart: JSON with references, and the tensors by the paths at which they stood. */
export interface TakenApart {
  readonly json: string;
  readonly tensors: Record<string, Tensor>;
}

/** Levels of nesting that a checkpoint may have: every engine's stack holds so many, here and in its JSON. */
const maxDepth = 500;

/**
 * Takes apart any nesting of plain objects and arrays with numbers, strings, booleans, null, tensors and things that have a
 * `stateDict()`. Tensors become `{ "$tensor": path }`, numbers that JSON lacks `{ "$number": … }`; a key that starts with
 * "$" gets another "$".
 *
 * @throws WgradError when something else is in it, it contains itself, or it is nested more than 500 levels deep.
 */
export function takeApart(what: string, tree: object): TakenApart {
  if (typeof tree !== "object" || tree === null || Array.isArray(tree) || tree instanceof Tensor) {
    throw new WgradError(`${what}: the content must be an object { model, optimizer, … }, got ${printed(tree)}.`);
  }
  const tensors = new Map<string, Tensor>();
  const encode = (value: unknown, path: string[], parents: readonly object[]): unknown => {
    const place = path.join(".");
    if (value === null || typeof value === "boolean" || typeof value === "string") return value;
    if (typeof value === "number")
      return Number.isFinite(value) && !Object.is(value, -0) ? value : { $number: numberName(value) };
    if (value instanceof Tensor) {
      let name = place;
      for (let copy = 2; tensors.has(name); copy++) name = `${place}#${copy}`;
      tensors.set(name, value);
      return { $tensor: name };
    }
    if (typeof value !== "object") {
      throw new WgradError(
        `${what}: "${place}" cannot be saved: it is a ${typeof value}. Leave it out or make it plain data.`,
      );
    }
    if (parents.includes(value)) throw new WgradError(`${what}: "${place}" contains itself and cannot be saved.`);
    if (parents.length === maxDepth) {
      throw new WgradError(
        `${what}: "${path[0]}" cannot be saved: it is nested more than ${maxDepth} levels deep. A flat array would fit.`,
      );
    }
    const within = [...parents, value];
    if (Array.isArray(value)) return value.map((element, i) => encode(element, [...path, String(i)], within));
    if (isStateful(value)) return encode(value.stateDict(), path, within);
    if (Object.getPrototypeOf(value) !== Object.prototype && Object.getPrototypeOf(value) !== null) {
      throw new WgradError(
        `${what}: "${place}" cannot be saved: it is a ${value.constructor.name}. Plain objects, arrays, tensors and things with a stateDict() can.`,
      );
    }
    const members = Object.entries(value).flatMap(([key, member]): [string, unknown][] =>
      member === undefined ? [] : [[key.startsWith("$") ? `$${key}` : key, encode(member, [...path, key], within)]],
    );
    return Object.fromEntries(members);
  };
  return { json: JSON.stringify(encode(tree, [], [])), tensors: Object.fromEntries(tensors) };
}

function numberName(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

function isStateful(value: object): value is Stateful {
  return "stateDict" in value && typeof value.stateDict === "function";
}

/** Numbers that JSON lacks. */
const oddNumbers: readonly unknown[] = ["NaN", "Infinity", "-Infinity", "-0"];

/**
 * Puts together what `takeApart` took apart.
 * @throws WgradError for what that has not written: a tensor is missing, the content is no object or nested too deeply.
 */
export function putTogether(what: string, { json, tensors }: TakenApart): Record<string, unknown> {
  const decode = (value: unknown, depth: number): unknown => {
    if (typeof value !== "object" || value === null) return value;
    if (depth > maxDepth) throw new WgradError(`${what}: the content is nested more than ${maxDepth} levels deep.`);
    if (Array.isArray(value)) return value.map((element) => decode(element, depth + 1));
    if (Object.hasOwn(value, "$number")) {
      const { $number } = value as { $number: unknown };
      if (!oddNumbers.includes($number)) throw unread(what, "holds a number that is none");
      return Number($number);
    }
    if (Object.hasOwn(value, "$tensor")) {
      const name = (value as { $tensor: unknown }).$tensor;
      const found = typeof name === "string" && Object.hasOwn(tensors, name) ? tensors[name] : undefined;
      if (found === undefined) throw new WgradError(`${what}: the tensor ${printed(name)} is missing.`);
      return found;
    }
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => [
        key.startsWith("$$") ? key.slice(1) : key,
        decode(member, depth + 1),
      ]),
    );
  };
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    throw unread(what, `is not JSON: ${messageOf(error)}`);
  }
  const tree = decode(parsed, 0);
  if (typeof tree !== "object" || tree === null || Array.isArray(tree) || tree instanceof Tensor)
    throw unread(what, "is no object");
  return tree as Record<string, unknown>;
}

function unread(what: string, problem: string): WgradError {
  return new WgradError(`${what}: the content ${problem}: it was not written by saveCheckpoint or toCheckpoint.`);
}
