// The training modes of a model's parts.
import type { Trainable } from "./options.ts";

/** Remembers which parts of a model are in training mode; the function returned puts them back into it. */
export function keepModes(model: Trainable): () => void {
  const parts = (model.modules?.() ?? []).map((module) => ({ module, training: module.training }));
  const { training } = model;
  return () => {
    if (parts.length === 0) model.train(training);
    for (const part of parts) part.module.training = part.training;
  };
}
