// What the page and its worker say to each other.

/** From the page. */
export type Order =
  /** Trains, or goes on where it was paused or the device was lost. */
  | { readonly kind: "start" }
  | { readonly kind: "pause" }
  /** Forgets what was learned. */
  | { readonly kind: "reset" }
  /** Grey values 0 … 1 of 28 × 28 pixels; the answer has the same number. */
  | { readonly kind: "classify"; readonly number: number; readonly pixels: Float32Array }
  | { readonly kind: "save" }
  | { readonly kind: "load"; readonly bytes: Uint8Array }
  /** Loses the device, as a crash of the graphics driver would. */
  | { readonly kind: "lose" };

/** From the worker. */
export type News =
  | { readonly kind: "state"; readonly state: "idle" | "running" | "paused" | "finished"; readonly text: string }
  | { readonly kind: "device"; readonly name: string }
  /** Training begins after this many epochs: what is known of later ones is no longer so. */
  | { readonly kind: "begun"; readonly epoch: number }
  | { readonly kind: "progress"; readonly epoch: number; readonly loss: number; readonly accuracy: number }
  | { readonly kind: "tested"; readonly epoch: number; readonly accuracy: number }
  | { readonly kind: "cleared" }
  | { readonly kind: "classified"; readonly number: number; readonly probabilities: readonly number[] }
  | { readonly kind: "saved"; readonly bytes: Uint8Array }
  /** Something went wrong with an order, and what may be done about it. */
  | { readonly kind: "problem"; readonly order: Order["kind"]; readonly text: string };
