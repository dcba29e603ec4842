// WGSL functions that ops call, written once for one lane and for four.

/*
 * A helper's text may name its types F, I, U and B: f32, i32, u32 and bool, or vec4s of them. Constants that WGSL doesn't spread by itself
 * (in comparisons, `select`, shifts and bit operations) are written F(0.0), U(23u). Four lanes in one function are four independent
 * chains of operations, side by side, where four calls would be four chains one behind the other: software drivers compile what they
 * get in its order. A text that branches has its types written out, and is called once per lane.
 */

type Width = 1 | 4;

const types: Record<string, string> = { F: "f32", I: "i32", U: "u32", B: "bool" };

/** Whether all of the texts are written for any number of lanes. */
export function takeLanes(texts: readonly string[]): boolean {
  return texts.every((text) => /\b[FIUB]\b/.test(text));
}

/** Texts that were spelled out before, for one lane and for four. */
const spelledOut = new WeakMap<readonly string[], { [width in Width]?: readonly string[] }>();

/** The texts for so many lanes. The functions for four lanes have their own names: see `laneName`. */
export function forLanes(texts: readonly string[], width: Width): readonly string[] {
  let known = spelledOut.get(texts);
  if (known === undefined) {
    known = {};
    spelledOut.set(texts, known);
  }
  known[width] ??= spellOut(texts, width);
  return known[width];
}

function spellOut(texts: readonly string[], width: Width): readonly string[] {
  const spelled = texts.map((text) =>
    text.replaceAll(/\b[FIUB]\b/g, (letter) => (width === 1 ? (types[letter] as string) : `vec4<${types[letter]}>`)),
  );
  if (width === 1) return spelled;
  const names = texts.flatMap((text) => [...text.matchAll(/\b(?:fn|struct) (\w+)/g)].map(([, name]) => name));
  const defined = new RegExp(`\\b(${names.join("|")})\\b`, "g");
  return spelled.map((text) => text.replaceAll(defined, (name) => laneName(name, 4)));
}

/** Returns the name of a helper for so many lanes. */
export function laneName(helper: string, width: Width): string {
  return width === 1 ? helper : `${helper}_x4`;
}
