// Orthogonal matrices by iteration: what an initializer and Muon share.

import { add, clamp, div, matmul, mul, sqrt, square, sum, type Tensor, t } from "../tensor.ts";

/** X ← a X + (b XXᵀ + c (XXᵀ)²) X from X = M / ‖M‖, `steps` times: brings all singular values near 1. */
export function newtonSchulz(
  matrix: Tensor,
  [a, b, c]: readonly [number, number, number],
  steps: number,
  leastNorm: number,
): Tensor {
  const [rows, columns] = matrix.shape as readonly [number, number];
  let x = rows > columns ? t(matrix) : matrix;
  x = div(x, clamp(sqrt(sum(square(x))), { min: leastNorm }));
  for (let i = 0; i < steps; i++) {
    const gram = matmul(x, t(x));
    const polynomial = add(mul(gram, b), mul(matmul(gram, gram), c));
    x = add(mul(x, a), matmul(polynomial, x));
  }
  return rows > columns ? t(x) : x;
}
