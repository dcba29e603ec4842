// What the published files leave out of the sources, and what they tell bundlers.

import { readFileSync } from "node:fs";
import { parseAst } from "vite";

/**
 * An esbuild plugin, for all files of src/:
 * - The float64 meanings of ops (`reference`) serve tests; only those stay that fold constants, in arithmetic and conversions.
 * - What is computed at import is marked as pure, so that a bundler drops what a page does not use.
 * - Exported classes that users meet say their names, which errors and summaries print, also where names are shortened.
 */
export const lean = {
  name: "lean",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, ({ path }) => ({
      contents: leanSource(path),
      loader: "ts",
    }));
  },
};

/** Constants are folded with these: see `simplify` in src/graph/program.ts. */
const KEEPS_REFERENCES = /[\\/]ops[\\/](arithmetic|define|division)\.ts$/;

/** Rooms whose classes users never have in hand, save two. */
const INNER = /[\\/](graph|schedule|shaders|runtime)[\\/](?!(tensor|device)\.ts$)/;

/** Initial values that bundlers see to have no effect. */
const PLAIN = /^(Literal|Identifier|ArrowFunctionExpression|FunctionExpression|UnaryExpression)$/;

/** The text of a source file, made lean. */
export function leanSource(path) {
  const code = readFileSync(path, "utf8");
  const dropReferences = /[\\/]ops[\\/]/.test(path) && !KEEPS_REFERENCES.test(path);
  const edits = [];
  // Called and thrown away as a whole: a bundler can't know that nothing inside, such as a spread, has an effect.
  const pure = (expression) => {
    if (expression === null || PLAIN.test(expression.type)) return;
    edits.push({ start: expression.start, end: expression.start, text: "/* @__PURE__ */ (() => (" });
    edits.push({ start: expression.end, end: expression.end, text: "))()" });
  };
  const program = parseAst(code, { lang: "ts" });
  for (const statement of program.body) {
    const declaration = statement.type === "ExportNamedDeclaration" ? statement.declaration : statement;
    if (declaration?.type === "VariableDeclaration") for (const { init } of declaration.declarations) pure(init);
    if (declaration?.type === "ClassDeclaration" && statement !== declaration && !INNER.test(path)) {
      const start = declaration.body.start + 1;
      edits.push({ start, end: start, text: ` static name = ${JSON.stringify(declaration.id.name)};` });
    }
  }
  if (dropReferences) {
    visit(program, (node) => {
      if (node.type !== "Property" || node.key.name !== "reference" || node.computed) return true;
      const rest = /^\s*,?/.exec(code.slice(node.end))[0].length;
      edits.push({ start: node.start, end: node.end + rest, text: "" });
      return false;
    });
  }
  edits.sort((a, b) => b.start - a.start);
  return edits.reduce((text, { start, end, text: by }) => text.slice(0, start) + by + text.slice(end), code);
}

/** Visits nodes from the outside in; `enter` says whether to go on inside. */
function visit(node, enter) {
  if (node === null || typeof node !== "object") return;
  if (Array.isArray(node)) {
    for (const item of node) visit(item, enter);
    return;
  }
  if (typeof node.type === "string" && !enter(node)) return;
  for (const child of Object.values(node)) visit(child, enter);
}
