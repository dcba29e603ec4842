// The parser of wgsl_reflect, with what it does not read right put right.

import { type Expression, type Statement, WgslParser } from "wgsl_reflect/wgsl_reflect.module.js";

class Parser extends WgslParser {
  /** What stands behind parentheses goes behind what stands in them; the package puts it in its place. */
  override _singular_expression(): Expression {
    const expression = this._primary_expression();
    const postfix = this._postfix_expression();
    let last = expression;
    while (last.postfix !== null) last = last.postfix;
    last.postfix = postfix;
    return expression;
  }
}

/** A text's declarations. */
export function parse(text: string): Statement[] {
  return new Parser().parse(readable(text));
}

/** Floats in hexadecimal become decimals, and `block`, which is a word of its own to the package, gets another name. */
function readable(text: string): string {
  const renamed = text.replace(/\bblock\b/g, "block_");
  return renamed.replace(
    /0x([0-9a-f]*)(?:\.([0-9a-f]*))?p([+-]?\d+)([fh]?)/gi,
    (_, whole, fraction = "", power, suffix) => {
      const digits = Number.parseInt(`${whole}${fraction}`, 16) * 2 ** (Number(power) - 4 * fraction.length);
      const decimal = String(digits);
      return `${/[.e]/.test(decimal) ? decimal : `${decimal}.0`}${suffix}`;
    },
  );
}
