// Whether ops choose their precision themselves at present: products in f16, what needs range or digits in f32.

/** Functions that leave f16's range or lose its digits: f32 under autocast. Null while it is off. */
let wide: ReadonlySet<string> | null = null;

/** Whether `amp.autocast("f16", …)` is on. */
export function isAutocasting(): boolean {
  return wide !== null;
}

/** Whether an op takes f32 for f16 under the autocast that is on. */
export function isWide(op: string): boolean {
  return wide?.has(op) ?? false;
}

/** Runs `run` with autocasting switched on, for all but `functions`, or off. */
export function withAutocast<T>(functions: ReadonlySet<string> | null, run: () => T): T {
  const before = wide;
  wide = functions;
  try {
    return run();
  } finally {
    wide = before;
  }
}
