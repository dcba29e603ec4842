// Puts the docstring of each class in front of its constructor in dist/types: editors show the constructor's at `new Linear(…)`.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { SyntaxKind } from "typescript/unstable/ast";
import { API } from "typescript/unstable/sync";

/** Changes the declaration files of a folder in place; `entries` are the doors' files. */
export function documentConstructors(folder, entries) {
  const config = join(dirname(folder), "types.tsconfig.json");
  const files = entries.map((entry) => join(folder, entry));
  const options = { module: "nodenext", lib: ["ES2022", "DOM"], types: [], skipLibCheck: true, noEmit: true };
  writeFileSync(config, JSON.stringify({ compilerOptions: options, files }));
  const api = new API({ cwd: folder });
  try {
    const project = api.updateSnapshot({ openProject: config }).getProject(config);
    const edits = new Map();
    for (const file of project.program.getSourceFileNames()) {
      if (!file.startsWith(folder)) continue;
      const source = project.program.getSourceFile(file);
      for (const statement of source.statements) {
        const edit = statement.kind === SyntaxKind.ClassDeclaration ? editOf(statement, project.checker) : null;
        if (edit !== null) edits.set(file, [...(edits.get(file) ?? []), edit]);
      }
    }
    for (const [file, list] of edits) writeFileSync(file, applied(readFileSync(file, "utf8"), list));
  } finally {
    api.close();
  }
  return config;
}

/** Where a class's docstring goes, and with which constructor, where the class inherits its own. */
function editOf(declared, checker) {
  const doc = declared.jsDoc?.at(-1)?.getText();
  if (doc === undefined) return null;
  const indented = doc.replaceAll("\n", "\n    ");
  const own = declared.members.find(({ kind }) => kind === SyntaxKind.Constructor);
  if (own !== undefined) {
    return (own.jsDoc?.length ?? 0) > 0 ? null : { at: own.getStart(), text: `${indented}\n    ` };
  }
  const inherited = inheritedConstructor(declared, checker);
  if (inherited === null) return null;
  const parameters = inherited.parameters.map((parameter) => parameter.getText()).join(", ");
  return { at: declared.getEnd() - 1, text: `    ${indented}\n    constructor(${parameters});\n` };
}

/** The constructor of the nearest class above that has one, if its types mean the same here: it stands in the same file. */
function inheritedConstructor(declared, checker) {
  const file = declared.getSourceFile();
  for (let type = declared; ; ) {
    const clause = type.heritageClauses?.find(({ token }) => token === SyntaxKind.ExtendsKeyword);
    const base = clause?.types[0];
    if (base === undefined) return { parameters: [] };
    let symbol = checker.getSymbolAtLocation(base.expression);
    if (symbol?.declarations[0]?.kind === SyntaxKind.ImportSpecifier) symbol = checker.getAliasedSymbol(symbol);
    const next = symbol?.valueDeclaration?.resolve();
    if (next?.kind !== SyntaxKind.ClassDeclaration) return null;
    const found = next.members.find(({ kind }) => kind === SyntaxKind.Constructor);
    const isPlain = (next.typeParameters?.length ?? 0) === 0 && next.getSourceFile().fileName === file.fileName;
    if (found !== undefined) return isPlain || found.parameters.length === 0 ? found : null;
    type = next;
  }
}

function applied(text, edits) {
  const sorted = [...edits].sort((a, b) => b.at - a.at);
  return sorted.reduce((all, { at, text: inserted }) => all.slice(0, at) + inserted + all.slice(at), text);
}
