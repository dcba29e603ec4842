// Einstein's sum convention: products and sums written as letters for dims.

import type { WgradError } from "../base/errors.ts";
import { checkShape, opError, shapeError } from "../base/shape.ts";
import { asking } from "../graph/asked.ts";
import type { Tensor } from "../graph/tensor.ts";
import { dropDims } from "./arguments.ts";
import { mul } from "./arithmetic.ts";
import { asHalf } from "./autocast.ts";
import { expectTensor } from "./define.ts";
import { diagonal } from "./matrix-parts.ts";
import { summable, sumOver } from "./reductions.ts";
import { permute, reshape } from "./views.ts";

/** A tensor with a label for each dim. */
interface Labelled {
  readonly x: Tensor;
  readonly labels: readonly string[];
}

function syntaxError(equation: string, rule: string): WgradError {
  return opError`einsum: ${rule}, got "${equation}". "ij,jk->ik" is the form.`;
}

/** Labels of one term; an ellipsis stands for `dots` dims, counted from the last (so that they broadcast). */
function labelsOf(equation: string, term: string, dots: number): string[] {
  const parts = term.split("...");
  if (parts.length > 2) throw syntaxError(equation, "each term may have one ellipsis");
  const letters = parts.join("");
  if (!/^[A-Za-z]*$/.test(letters)) throw syntaxError(equation, "labels are letters");
  const ellipsis = Array.from({ length: dots }, (_, i) => `.${dots - i}`);
  return parts.length === 1 ? [...term] : [...(parts[0] as string), ...ellipsis, ...(parts[1] as string)];
}

/** Takes the diagonal where a label occurs twice. */
function withoutRepeats(equation: string, start: Labelled): Labelled {
  let { x, labels } = start;
  for (;;) {
    const repeated = labels.find((label, i) => labels.indexOf(label) !== i);
    if (repeated === undefined) return { x, labels };
    const first = labels.indexOf(repeated);
    const second = labels.indexOf(repeated, first + 1);
    if (x.shape[first] !== x.shape[second]) {
      throw shapeError`einsum: a label's sizes must be equal, got ${x.shape[first]} and ${x.shape[second]} for "${repeated}" in "${equation}".`;
    }
    x = diagonal(x, { dim1: first, dim2: second });
    labels = [...labels.filter((_, i) => i !== first && i !== second), repeated];
  }
}

/** Sums the labels that nobody else needs. */
function summed(operand: Labelled, needed: ReadonlySet<string>): Labelled {
  const dims = operand.labels.flatMap((label, i) => (needed.has(label) ? [] : [i]));
  if (dims.length === 0) return operand;
  const labels = operand.labels.filter((label) => needed.has(label));
  return { x: dropDims(sumOver(operand.x, dims), dims), labels };
}

/** `x` with its dims in the order of `labels`, and size 1 for those that it lacks. */
function arranged(operand: Labelled, labels: readonly string[]): Tensor {
  const own = labels.filter((label) => operand.labels.includes(label));
  const x = permute(
    operand.x,
    own.map((label) => operand.labels.indexOf(label)),
  );
  return reshape(
    x,
    labels.map((label) => (own.includes(label) ? (x.shape[own.indexOf(label)] as number) : 1)),
  );
}

/** Product of two operands, summed over the labels that are needed no more. */
function contracted(a: Labelled, b: Labelled, needed: ReadonlySet<string>): Labelled {
  const both = a.labels.filter((label) => b.labels.includes(label));
  const shared = both.filter((label) => needed.has(label));
  const inner = both.filter((label) => !needed.has(label));
  const left = a.labels.filter((label) => !both.includes(label));
  const right = b.labels.filter((label) => !both.includes(label));
  const kept = [...shared, ...left, ...right];
  return asking("einsum", () => productOver(a, b, kept, inner));
}

/** The product with dims for `kept`, summed over `inner`. */
function productOver(a: Labelled, b: Labelled, kept: readonly string[], inner: readonly string[]): Labelled {
  const product = mul(arranged(a, [...kept, ...inner]), arranged(b, [...kept, ...inner]));
  if (inner.length === 0) return { x: product, labels: kept };
  const total = sumOver(
    product,
    inner.map((_, i) => kept.length + i),
  );
  return { x: reshape(total, total.shape.slice(0, kept.length)), labels: kept };
}

/**
 * Sums products by labels: `einsum("bij,bjk->bik", a, b)`. A label that occurs twice in one term takes the diagonal. A
 * label that the result leaves out is summed. `...` stands for dims that broadcast. Without `->`, the result has the
 * labels that occur once, in alphabetical order. Several operands are joined from left to right. Throws a ShapeError if
 * the sizes of a label differ.
 */
export function einsum(equation: string, ...tensors: Tensor[]): Tensor {
  if (typeof equation !== "string") throw new TypeError(`einsum: the equation is a string, got ${String(equation)}.`);
  if (tensors.length === 0) throw new TypeError("einsum: needs at least one tensor.");
  const text = equation.replace(/\s+/g, "");
  const [left, right, ...more] = text.split("->");
  if (left === undefined || more.length > 0) throw syntaxError(equation, 'there may be one "->"');
  const terms = left.split(",");
  if (terms.length !== tensors.length) {
    throw syntaxError(equation, `each tensor needs a term (${tensors.length} tensors, ${terms.length} terms)`);
  }
  const sizes = new Map<string, number>();
  let mostDots = 0;
  const operands = terms.map((term, i): Labelled => {
    const x = asHalf(summable(expectTensor("einsum", tensors[i], `tensor ${i}`)));
    const letters = term.replace("...", "").length;
    const dots = term.includes("...") ? x.ndim - letters : 0;
    if (dots < 0 || dots + letters !== x.ndim) {
      throw shapeError`einsum: term "${term}" doesn't fit ${x.ndim} dims, got ${x.shape}.`;
    }
    mostDots = Math.max(mostDots, dots);
    const labels = labelsOf(equation, term, dots);
    labels.forEach((label, d) => {
      const size = x.shape[d] as number;
      const known = sizes.get(label) ?? 1;
      if (known !== 1 && size !== 1 && known !== size) {
        throw shapeError`einsum: a label's sizes must be equal, got ${known} and ${size} for "${label}" in "${equation}".`;
      }
      sizes.set(label, known === 1 ? size : known);
    });
    return withoutRepeats(equation, { x, labels });
  });
  const result = resultLabels(equation, left, right, mostDots);
  for (const label of result) {
    if (!sizes.has(label)) throw syntaxError(equation, `the result's label "${label}" occurs in no term`);
  }
  checkShape(
    "einsum",
    result.map((label) => sizes.get(label) as number),
  );
  return combine(operands, result);
}

function resultLabels(equation: string, left: string, right: string | undefined, dots: number): string[] {
  if (right !== undefined) {
    const labels = labelsOf(equation, right, right.includes("...") ? dots : 0);
    if (new Set(labels).size !== labels.length) throw syntaxError(equation, "a label of the result may occur once");
    return labels;
  }
  const letters = [...left.replace(/[.,]/g, "")];
  const once = letters.filter((l) => letters.indexOf(l) === letters.lastIndexOf(l)).sort();
  return [...labelsOf(equation, left.includes("...") ? "..." : "", dots), ...once];
}

function combine(operands: readonly Labelled[], result: readonly string[]): Tensor {
  const neededAfter = (i: number): Set<string> =>
    new Set([...result, ...operands.slice(i + 1).flatMap((o) => o.labels)]);
  // A label of one operand alone is summed before the product; one that broadcasts (size 1) stays for it.
  let joined = summed(operands[0] as Labelled, neededAfter(0));
  for (let i = 1; i < operands.length; i++) {
    const next = operands[i] as Labelled;
    const needed = neededAfter(i);
    joined = contracted(joined, summed(next, new Set([...needed, ...joined.labels])), needed);
  }
  return permute(
    joined.x,
    result.map((label) => joined.labels.indexOf(label)),
  );
}
