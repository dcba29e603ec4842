// What the package exports, read from the source by the TypeScript compiler: names, signatures, docstrings, members.

import { resolve } from "node:path";
import {
  type ClassDeclaration,
  type FunctionDeclaration,
  type InterfaceDeclaration,
  type Node,
  type ParameterDeclaration,
  SyntaxKind,
  type TypeAliasDeclaration,
  type TypeNode,
  type VariableDeclaration,
} from "typescript/unstable/ast";
import { API, type Checker, type Project, SymbolFlags, type Symbol as TypeSymbol } from "typescript/unstable/sync";

export type Kind = "class" | "constant" | "function" | "interface" | "module" | "type";

/** A property, method or constructor of a class or an interface. */
export interface Member {
  readonly name: string;
  readonly kind: "constructor" | "method" | "property";
  /** As TypeScript writes it, without its body. */
  readonly signature: string;
  readonly doc: string;
  readonly isProtected: boolean;
}

/** A function's type, once per overload. */
export interface Call {
  readonly parameters: readonly Node[];
  readonly result: TypeNode | undefined;
  readonly typeParameters: string;
}

/** One exported name. */
export interface Entry {
  readonly name: string;
  readonly kind: Kind;
  /** The source file, relative to the repository, and where the declaration stands in it. */
  readonly file: string;
  readonly position: number;
  /** The name that the file gives it, which may be exported as another one. */
  readonly declaredName: string;
  readonly doc: string;
  readonly signatures: readonly string[];
  readonly calls: readonly Call[];
  readonly members: readonly Member[];
  /** What a class or interface extends, as written. */
  readonly base: string;
  /** What is exported under the name of a module, such as `optim.lr`. */
  readonly entries: readonly Entry[];
}

/** A member of any kind, with what a method's declaration has. */
type MemberNode = Node & Omit<FunctionDeclaration, "kind">;

/** Reads modules of the repository; call `close` when done. */
export class ApiReader {
  readonly #api: API;
  readonly #project: Project;
  readonly #checker: Checker;
  readonly #root: string;

  constructor(root: string = resolve(".")) {
    this.#root = root;
    this.#api = new API({ cwd: root });
    const config = resolve(root, "tsconfig.json");
    const project = this.#api.updateSnapshot({ openProject: config }).getProject(config);
    if (project === undefined) throw new Error(`api: the compiler does not open ${config}`);
    this.#project = project;
    this.#checker = project.checker;
  }

  close(): void {
    this.#api.close();
  }

  /** What a module exports, by name. */
  read(path: string): Entry[] {
    const file = this.#project.program.getSourceFile(resolve(this.#root, path));
    const symbol = file === undefined ? undefined : this.#checker.getSymbolAtLocation(file);
    if (symbol === undefined) throw new Error(`api: ${path} is no module of the program`);
    return this.#entriesOf(symbol);
  }

  /** The file that declares the type that `name` stands for, relative to the repository; null for types of the language. */
  declaringFile(name: Node): string | null {
    const found = this.#checker.getSymbolAtLocation(name);
    if (found === undefined) return null;
    const symbol = this.#resolved(found);
    const path = symbol.declarations[0]?.path;
    if ((symbol.flags & SymbolFlags.TypeParameter) !== 0 || path === undefined) return null;
    return path.includes("/src/") ? this.#relative(path) : null;
  }

  /** The names of the options that a parameter takes, if it is an object of options; else null. */
  optionNames(parameter: Node): string[] | null {
    const { name, type } = parameter as unknown as ParameterDeclaration;
    if (type === undefined || !(/^options/.test(name.getText()) || /^\w*Options$/.test(type.getText()))) return null;
    const found = this.#checker.getTypeFromTypeNode(type);
    return found === undefined ? null : this.#checker.getPropertiesOfType(found).map((property) => property.name);
  }

  #resolved(symbol: TypeSymbol): TypeSymbol {
    return (symbol.flags & SymbolFlags.Alias) === 0 ? symbol : this.#checker.getAliasedSymbol(symbol);
  }

  #relative(path: string): string {
    return path.slice(path.lastIndexOf("/src/") + 1);
  }

  #entriesOf(module: TypeSymbol): Entry[] {
    const entries = this.#checker.getExportsOfModule(module).map((symbol) => this.#entry(symbol));
    return entries.sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1));
  }

  #entry(exported: TypeSymbol): Entry {
    const symbol = this.#resolved(exported);
    const { name } = exported;
    const nodes = symbol.declarations.flatMap((handle) => handle.resolve() ?? []);
    const first = nodes[0];
    if (first === undefined) throw new Error(`api: ${name} is declared nowhere`);
    const file = this.#relative(first.getSourceFile().fileName);
    const place = { file, position: first.pos, declaredName: symbol.name };
    const plain = { name, ...place, doc: docOf(first), calls: [], members: [], base: "", entries: [] };
    if (first.kind === SyntaxKind.SourceFile) {
      const doc = /^\/\/ (.*(?:\n\/\/ .*)*)/.exec(first.getSourceFile().text)?.[1]?.replaceAll("\n// ", " ") ?? "";
      return { ...plain, kind: "module", doc, signatures: [], entries: this.#entriesOf(symbol) };
    }
    const declared = nodes.find(({ kind }) => kind === SyntaxKind.ClassDeclaration) ?? first;
    const doc = nodes.map(docOf).find((text) => text !== "") ?? "";
    if (declared.kind === SyntaxKind.ClassDeclaration || declared.kind === SyntaxKind.InterfaceDeclaration) {
      const type = declared as ClassDeclaration | InterfaceDeclaration;
      const base = (type.heritageClauses ?? []).map((clause) => clause.getText()).join(" ");
      const kind = declared.kind === SyntaxKind.ClassDeclaration ? "class" : "interface";
      const typeParameters = textOfParameters(type);
      const signature = `${kind} ${name}${typeParameters}${base === "" ? "" : ` ${base}`}`;
      return { ...plain, kind, doc, base, signatures: [signature], members: membersOf(type) };
    }
    if (declared.kind === SyntaxKind.TypeAliasDeclaration) {
      return { ...plain, kind: "type", doc, signatures: [withoutExport(declared.getText())] };
    }
    if (declared.kind === SyntaxKind.FunctionDeclaration) {
      const all = nodes as unknown as FunctionDeclaration[];
      const shown = all.length > 1 ? all.filter(({ body }) => body === undefined) : all;
      const calls = shown.map(callOf);
      return { ...plain, kind: "function", doc, calls, signatures: calls.map((call) => printed(name, call)) };
    }
    return this.#constant(plain, declared as unknown as VariableDeclaration);
  }

  /** A constant; where its type is a function's, it reads like one. */
  #constant(plain: Omit<Entry, "kind" | "signatures">, declared: VariableDeclaration): Entry {
    const { name } = plain;
    const doc = docOf((declared as unknown as Node).parent.parent) || docOf(declared as unknown as Node);
    let { type } = declared;
    if (type?.kind === SyntaxKind.TypeReference) {
      const found = this.#checker.getSymbolAtLocation((type as unknown as { typeName: Node }).typeName);
      const alias = found === undefined ? undefined : this.#resolved(found).declarations[0]?.resolve();
      if (alias?.kind === SyntaxKind.TypeAliasDeclaration) type = (alias as unknown as TypeAliasDeclaration).type;
    }
    if (type?.kind === SyntaxKind.FunctionType) {
      const call = callOf(type as unknown as FunctionDeclaration);
      return { ...plain, kind: "function", doc, calls: [call], signatures: [printed(name, call)] };
    }
    const text = declared.type === undefined ? "" : `: ${declared.type.getText()}`;
    return { ...plain, kind: "constant", doc, signatures: [`const ${name}${text}`] };
  }
}

/** The text of the docstring in front of a declaration, without its stars. */
export function docOf(node: Node): string {
  const comment = node.jsDoc?.at(-1)?.getText() ?? "";
  const lines = comment
    .replace(/^\/\*\*/, "")
    .replace(/\*\/$/, "")
    .split("\n");
  return lines
    .map((line) => line.replace(/^\s*\* ?/, "").trimEnd())
    .join("\n")
    .trim();
}

/** A parameter as callers see it: a default value makes it optional. */
export function parameterText(node: Node): string {
  const parameter = node as unknown as ParameterDeclaration;
  const name = parameter.name.getText();
  const rest = parameter.dotDotDotToken === undefined ? "" : "...";
  const optional = parameter.questionToken !== undefined || parameter.initializer !== undefined ? "?" : "";
  const type = parameter.type?.getText() ?? typeOfLiteral(parameter.initializer?.getText() ?? "");
  return `${rest}${name}${optional}: ${type}`;
}

function typeOfLiteral(text: string): string {
  if (text === "true" || text === "false") return "boolean";
  return text.startsWith('"') ? "string" : "number";
}

function callOf(declared: Omit<FunctionDeclaration, "kind">): Call {
  return {
    parameters: declared.parameters as unknown as readonly Node[],
    result: declared.type,
    typeParameters: textOfParameters(declared),
  };
}

function textOfParameters(declared: { readonly typeParameters?: Iterable<Node> | undefined }): string {
  const all = [...(declared.typeParameters ?? [])].map((node) => node.getText());
  return all.length === 0 ? "" : `<${all.join(", ")}>`;
}

/** A call as TypeScript writes it, of its parameters from number `from` on. */
export function printed(name: string, { parameters, result, typeParameters }: Call, from = 0): string {
  const shown = parameters.slice(from).map(parameterText).join(", ");
  return `${name}${typeParameters}(${shown}): ${result?.getText() ?? "void"}`;
}

function withoutExport(text: string): string {
  return text.replace(/^export /, "").replace(/;$/, "");
}

/** The members that users meet, in the order of the source. */
function membersOf(declared: ClassDeclaration | InterfaceDeclaration): Member[] {
  const found: Member[] = [];
  const implemented = new Set<string>();
  const all = declared.members as unknown as readonly MemberNode[];
  const setters = all.filter(({ kind }) => kind === (SyntaxKind.SetAccessor as SyntaxKind));
  const settable = new Set(setters.map((member) => member.name?.getText()));
  for (const member of all) {
    const flags = ((member.modifiers ?? []) as unknown as readonly Node[]).map(({ kind }) => kind);
    const name = member.kind === SyntaxKind.Constructor ? "constructor" : (member.name?.getText() ?? "");
    if (name === "" || name.startsWith("#") || flags.includes(SyntaxKind.PrivateKeyword)) continue;
    if (docOf(member).includes("@internal")) continue;
    const overloaded = member.body === undefined;
    const isMethod = [SyntaxKind.MethodDeclaration, SyntaxKind.MethodSignature].includes(member.kind);
    // The implementation of an overloaded method is nobody's business, and neither is the setter beside a getter.
    if ((isMethod && !overloaded && implemented.has(name)) || member.kind === SyntaxKind.SetAccessor) continue;
    if (isMethod && overloaded) implemented.add(name);
    const kind = member.kind === SyntaxKind.Constructor ? "constructor" : isMethod ? "method" : "property";
    const isProtected = flags.includes(SyntaxKind.ProtectedKeyword);
    const prefix = flags.includes(SyntaxKind.StaticKeyword) ? "static " : "";
    const signature = prefix + memberSignature(member, name, kind, settable.has(name));
    found.push({ name, kind, signature, doc: docOf(member), isProtected });
  }
  return found;
}

function memberSignature(member: MemberNode, name: string, kind: Member["kind"], isSettable: boolean): string {
  if (kind !== "property") {
    const call = callOf(member);
    if (kind === "constructor") return `new (${call.parameters.map(parameterText).join(", ")})`;
    return printed(name, call);
  }
  const property = member as unknown as ParameterDeclaration;
  const type = property.type?.getText() ?? typeOfLiteral(property.initializer?.getText() ?? "");
  const words = ((member.modifiers ?? []) as unknown as readonly Node[]).map((modifier) => modifier.getText());
  // A class names its question mark otherwise than an interface.
  const isOptional =
    (property as { postfixToken?: Node }).postfixToken?.getText() === "?" || property.questionToken !== undefined;
  const isReadonly = words.includes("readonly") || (member.kind === SyntaxKind.GetAccessor && !isSettable);
  return `${isReadonly ? "readonly " : ""}${name}${isOptional ? "?" : ""}: ${type}`;
}
