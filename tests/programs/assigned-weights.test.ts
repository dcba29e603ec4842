// State that programs assign beside the optimizer, next to PyTorch: SAM and a GAN with spectral normalization.

import { suite } from "uvu";
import { loadProgram } from "../support/programs.ts";
import { sam } from "./sam.ts";
import { spectralGan } from "./spectral-gan.ts";

const programs = suite("programs that assign weights");

programs("sharpness-aware minimization", () => sam(loadProgram("sam")));
programs("spectral-norm GAN", () => spectralGan(loadProgram("spectral-gan")));

programs.run();
