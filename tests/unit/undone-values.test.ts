// Jobs that wait and fail one after the other: their cells go back to the last value that was computed.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { undoAssigned } from "../../src/engine/requests.ts";
import { Cell } from "../../src/graph/storage.ts";

const REASON = new Error("no room");

test("a cell goes back over all values that could not be computed, the first failure first", () => {
  const cell = new Cell(8, "f32", Float32Array.of(1, 2));
  const computed = cell.storage;
  const jobs = Array.from({ length: 3 }, () => ({ before: cell.advance(), after: cell.storage }));
  for (const job of jobs) undoAssigned([], [job], REASON);
  assert.is(cell.storage, computed);
  assert.is(computed.failure, null);
  for (const { after } of jobs) assert.is(after.failure, REASON);
});

test("a value that was computed in between is the one to go back to", () => {
  const cell = new Cell(8, "f32", Float32Array.of(1, 2));
  const [first, second, third] = Array.from({ length: 3 }, () => ({ before: cell.advance(), after: cell.storage }));
  if (first === undefined || second === undefined || third === undefined) throw new Error("three jobs");
  undoAssigned([], [first], REASON);
  undoAssigned([], [third], REASON);
  assert.is(cell.storage, second.after);
});

test.run();
