// Programs with derivatives inside train as in PyTorch: a physics-informed net, a neural ODE, MAML.

import { suite } from "uvu";
import { loadProgram } from "../support/programs.ts";
import { maml } from "./maml.ts";
import { neuralOde } from "./neural-ode.ts";
import { pinn } from "./pinn.ts";

const programs = suite("equations and meta-learning as in PyTorch");

programs("physics-informed net", () => pinn(loadProgram("pinn")));
programs("neural ODE", () => neuralOde(loadProgram("neural-ode")));
programs("MAML", () => maml(loadProgram("maml")));

programs.run();
