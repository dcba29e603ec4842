// Less to train and less to store, next to PyTorch: LoRA, distillation, quantization-aware training.

import { suite } from "uvu";
import { loadProgram } from "../support/programs.ts";
import { distillation } from "./distillation.ts";
import { lora } from "./lora.ts";
import { qat } from "./qat.ts";

const programs = suite("programs that make models smaller");

programs("LoRA", () => lora(loadProgram("lora")));
programs("knowledge distillation", () => distillation(loadProgram("distillation")));
programs("quantization-aware training", () => qat(loadProgram("qat")));

programs.run();
