// Measured schedules are kept by the platform's store: a page's database here, files in unit/tuning-store.test.ts.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { readTuning, writeTuning } from "#tuning";

test("an unknown key has nothing", async () => {
  assert.is(await readTuning("tuning-of-nobody"), undefined);
});

// In Node this would be the user's own folder.
if ("indexedDB" in globalThis) {
  test("what a page keeps comes back", async () => {
    assert.is(await writeTuning("tuning-test", "[1]"), true);
    assert.is(await writeTuning("tuning-test", "[2]"), true);
    assert.is(await readTuning("tuning-test"), "[2]");
  });
}

test.run();
