// Generative models train as in PyTorch: VAE, DCGAN, WGAN-GP, DDPM.

import { suite } from "uvu";
import { loadProgram } from "../support/programs.ts";
import { dcgan } from "./dcgan.ts";
import { ddpm } from "./ddpm.ts";
import { vae } from "./vae.ts";
import { wganGp } from "./wgan-gp.ts";

const programs = suite("generative models as in PyTorch");

programs("VAE", () => vae(loadProgram("vae")));
programs("DCGAN", () => dcgan(loadProgram("dcgan")));
programs("WGAN-GP", () => wganGp(loadProgram("wgan-gp")));
programs("DDPM", () => ddpm(loadProgram("ddpm")));

programs.run();
