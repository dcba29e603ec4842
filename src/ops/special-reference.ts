// Special functions in float64: what the f32 shaders of special.ts are measured against.

const SQRT_PI = Math.sqrt(Math.PI);

/** Error function, 2 / √π · ∫₀ˣ e^(-t²) dt. */
export function erfReference(x: number): number {
  const a = Math.abs(x);
  if (Number.isNaN(x)) return x;
  if (a > 2.5) return Math.sign(x) * (1 - erfcReference(a));
  // 2 / √π · e^(-x²) · Σ 2ⁿ x^(2n + 1) / (2n + 1)!!: all terms are positive.
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / SQRT_PI) * Math.exp(-x * x) * sum;
}

/** Complementary error function, 1 - erf x, without cancellation for large x. */
export function erfcReference(x: number): number {
  if (!(x > 1.5)) return 1 - erfReference(x);
  if (x > 28) return 0;
  // Continued fraction, from the inside out.
  let fraction = 0;
  for (let n = 120; n > 0; n--) fraction = n / 2 / (x + fraction);
  return Math.exp(-x * x) / (SQRT_PI * (x + fraction));
}

/** Inverse of the error function on -1 … 1. */
export function erfinvReference(y: number): number {
  if (!(Math.abs(y) < 1)) return Math.abs(y) === 1 ? y * Number.POSITIVE_INFINITY : Number.NaN;
  const a = Math.abs(y);
  // A start after S. Winitzki, then Newton's iteration with Halley's correction.
  const l = Math.log1p(-a * a);
  const b = 2 / (Math.PI * 0.147) + l / 2;
  let x = Math.sqrt(Math.sqrt(b * b - l / 0.147) - b);
  for (let i = 0; i < 4; i++) {
    const error = a > 0.5 ? 1 - a - erfcReference(x) : erfReference(x) - a;
    const step = (error * SQRT_PI * Math.exp(x * x)) / 2;
    x -= step / (1 + x * step);
  }
  return y < 0 ? -x : x;
}

/** ln |Γ(x)|. */
export function lgammaReference(x: number): number {
  if (Number.isNaN(x)) return x;
  if (!Number.isFinite(x)) return Number.POSITIVE_INFINITY;
  if (x === 1 || x === 2) return 0;
  if (x <= 0) {
    if (Number.isInteger(x)) return Number.POSITIVE_INFINITY;
    return Math.log(Math.PI / Math.abs(Math.sin(Math.PI * (x - 2 * Math.round(x / 2))))) - lgammaReference(1 - x);
  }
  let shifted = x;
  let product = 1;
  while (shifted < 15) product *= shifted++;
  const z = 1 / (shifted * shifted);
  const series =
    (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z * (1 / 1680 - z * (1 / 1188 - (z * 691) / 360360))))) / shifted;
  return (shifted - 0.5) * Math.log(shifted) - shifted + 0.5 * Math.log(2 * Math.PI) + series - Math.log(product);
}

/** ψ(x) = d/dx ln Γ(x). */
export function digammaReference(x: number): number {
  if (x === 0) return Object.is(x, -0) ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  if (x < 0) {
    if (Number.isInteger(x) || !Number.isFinite(x)) return Number.NaN;
    return digammaReference(1 - x) - Math.PI / Math.tan(Math.PI * (x - Math.round(x)));
  }
  let shifted = x;
  let sum = 0;
  while (shifted < 15) sum -= 1 / shifted++;
  const z = 1 / (shifted * shifted);
  return (
    sum +
    Math.log(shifted) -
    0.5 / shifted -
    z * (1 / 12 - z * (1 / 120 - z * (1 / 252 - z * (1 / 240 - z * (1 / 132 - (z * 691) / 32760)))))
  );
}

/** ψ′(x). */
export function trigammaReference(x: number): number {
  if (x <= 0) {
    if (Number.isInteger(x) || !Number.isFinite(x)) return Number.isInteger(x) ? Number.POSITIVE_INFINITY : Number.NaN;
    return (Math.PI / Math.sin(Math.PI * (x - Math.round(x)))) ** 2 - trigammaReference(1 - x);
  }
  let shifted = x;
  let sum = 0;
  while (shifted < 15) sum += 1 / (shifted++) ** 2;
  const z = 1 / (shifted * shifted);
  return (
    sum + 1 / shifted + z / 2 + (z / shifted) * (1 / 6 - z * (1 / 30 - z * (1 / 42 - z * (1 / 30 - (z * 5) / 66))))
  );
}

/** ψ″(x). */
export function tetragammaReference(x: number): number {
  if (x <= 0) {
    if (Number.isInteger(x) || !Number.isFinite(x)) return Number.NaN;
    const angle = Math.PI * (x - Math.round(x));
    return tetragammaReference(1 - x) - (2 * Math.PI ** 3 * Math.cos(angle)) / Math.sin(angle) ** 3;
  }
  let shifted = x;
  let sum = 0;
  while (shifted < 15) sum -= 2 / (shifted++) ** 3;
  const z = 1 / (shifted * shifted);
  return sum - z - z / shifted - z * z * (1 / 2 - z * (1 / 6 - z * (1 / 6 - z * (3 / 10 - (z * 5) / 6))));
}
