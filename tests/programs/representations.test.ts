// What is learned from examples alone, next to PyTorch: SimCLR, VQ-VAE, tiny NeRF.

import { suite } from "uvu";
import { loadProgram } from "../support/programs.ts";
import { nerf } from "./nerf.ts";
import { simclr } from "./simclr.ts";
import { vqvae } from "./vqvae.ts";

const programs = suite("programs that learn representations");

programs("SimCLR and a linear probe", () => simclr(loadProgram("simclr")));
programs("VQ-VAE", () => vqvae(loadProgram("vqvae")));
programs("tiny NeRF", () => nerf(loadProgram("nerf")));

programs.run();
