// Image classifiers train as in PyTorch: ResNet, ViT.

import { suite } from "uvu";
import { loadProgram } from "../support/programs.ts";
import { resnet } from "./resnet.ts";
import { vit } from "./vit.ts";

const programs = suite("image classifiers as in PyTorch");

programs("ResNet", () => resnet(loadProgram("resnet")));
programs("ViT", () => vit(loadProgram("vit")));

programs.run();
