// The door to what needs files: everything that a program imports as "wgrad/node".
export { type Checkpoint, checkpointTo, type Loadable, loadCheckpoint, saveCheckpoint } from "./io/checkpoint-node.ts";
export { loadSafetensors, saveSafetensors } from "./io/safetensors-node.ts";
