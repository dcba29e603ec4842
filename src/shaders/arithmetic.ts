// Integer arithmetic as text: what multiplies or divides by one is left out.

/** An expression as operand of a product. */
function factor(code: string): string {
  let outside = code;
  for (let before = ""; before !== outside; ) {
    before = outside;
    outside = outside.replaceAll(/\([^()]*\)/g, "");
  }
  return /[^\w§.*/% ]/.test(outside) ? `(${code})` : code;
}

export function plus(code: string, n: number): string {
  return n === 0 ? code : `${code} + ${n}`;
}

export function times(code: string, n: number): string {
  return n === 1 ? code : `${factor(code)} * ${n}`;
}

/** ⌊code / n⌋ of what is not negative. */
export function over(code: string, n: number): string {
  return n === 1 ? code : `${factor(code)} / ${n}`;
}

export function modulo(code: string, n: number): string {
  return n === 1 ? "0" : `${factor(code)} % ${n}`;
}

/** The sum of what is not 0. */
export function sumOf(...parts: readonly string[]): string {
  const present = parts.filter((part) => part !== "0");
  return present.length === 0 ? "0" : present.join(" + ");
}
