// Sequence models train as in PyTorch: nanoGPT with a cache, seq2seq with attention, a recognizer with CTC.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadProgram } from "../support/programs.ts";
import { ctc } from "./ctc.ts";
import { nanoGpt } from "./nano-gpt.ts";
import { seq2seq } from "./seq2seq.ts";

const programs = suite("sequence models as in PyTorch");

programs("nanoGPT with a cache of keys and values", async () => {
  const { greedy, drawn } = await nanoGpt(loadProgram("nano-gpt"));
  assert.equal(greedy, ["the quick", "the quick"]);
  assert.is(drawn[0], drawn[1]);
});
programs("seq2seq with attention and teacher forcing", () => seq2seq(loadProgram("seq2seq")));
programs("speech recognizer with CTC", () => ctc(loadProgram("ctc")));

programs.run();
