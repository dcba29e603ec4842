// Whether ops choose their precision themselves at present: products in f16, what needs range or digits in f32.

let half = false;

/** Whether `amp.autocast("f16", …)` is on. */
export function isAutocasting(): boolean {
  return half;
}

/** Runs `run` with autocasting switched on or off. */
export function withAutocast<T>(enabled: boolean, run: () => T): T {
  const before = half;
  half = enabled;
  try {
    return run();
  } finally {
    half = before;
  }
}
