// Graphs and ratings, next to PyTorch: a graph convolutional network and matrix factorization.

import { suite } from "uvu";
import { loadProgram } from "../support/programs.ts";
import { gcn } from "./gcn.ts";
import { matrixFactorization } from "./matrix-factorization.ts";

const programs = suite("programs on graphs and ratings");

programs("graph convolutional network", () => gcn(loadProgram("gcn")));
programs("matrix factorization", () => matrixFactorization(loadProgram("matrix-factorization")));

programs.run();
