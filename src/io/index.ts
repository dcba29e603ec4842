// The io room: weights as bytes, in the browser and in Node alike. Files are in wgrad/node.
export { fromCheckpoint, toCheckpoint } from "./checkpoint.ts";
export { fromSafetensors, type SafetensorsOptions, safetensorsMetadata, toSafetensors } from "./safetensors.ts";
