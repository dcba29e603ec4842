// What an editor shows at a place of a file: asks TypeScript's language server, as editors do.

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: { readonly contents?: { readonly value?: string } } | null;
}

/** The language server of this repository's TypeScript, at work in `folder`. */
class Server {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<number, (message: Message) => void>();
  #received: Buffer = Buffer.alloc(0);
  #last = 0;

  constructor(folder: string) {
    const tsc = resolve("node_modules/typescript/bin/tsc");
    this.#child = spawn(process.execPath, [tsc, "--lsp", "--stdio"], { cwd: folder });
    this.#child.stdout.on("data", (bytes: Buffer) => this.#read(bytes));
  }

  send(message: object): void {
    const text = JSON.stringify({ jsonrpc: "2.0", ...message });
    this.#child.stdin.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  }

  request(method: string, params: object): Promise<Message> {
    const id = ++this.#last;
    this.send({ id, method, params });
    return new Promise((done) => this.#waiting.set(id, done));
  }

  close(): void {
    this.#child.kill();
  }

  #read(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    for (;;) {
      const head = this.#received.indexOf("\r\n\r\n");
      const length = Number(/Content-Length: (\d+)/i.exec(this.#received.subarray(0, head).toString())?.[1]);
      if (head < 0 || this.#received.length < head + 4 + length) return;
      const message = JSON.parse(this.#received.subarray(head + 4, head + 4 + length).toString()) as Message;
      this.#received = this.#received.subarray(head + 4 + length);
      // A question of the server's own: about settings, of which there are none.
      if (message.method !== undefined && message.id !== undefined) this.send({ id: message.id, result: null });
      else if (message.id !== undefined) this.#waiting.get(message.id)?.(message);
    }
  }
}

/** What hovering shows at the last letter of the first occurrence of each of `places` in `file`. */
export async function hover(folder: string, file: string, places: readonly string[]): Promise<string[]> {
  const server = new Server(folder);
  try {
    const hovers = { textDocument: { hover: { contentFormat: ["markdown"] } } };
    await server.request("initialize", {
      processId: process.pid,
      rootUri: pathToFileURL(folder).href,
      capabilities: hovers,
    });
    server.send({ method: "initialized", params: {} });
    const text = readFileSync(file, "utf8");
    const uri = pathToFileURL(file).href;
    const textDocument = { uri, languageId: "typescript", version: 1, text };
    server.send({ method: "textDocument/didOpen", params: { textDocument } });
    const shown: string[] = [];
    for (const place of places) {
      const before = text.slice(0, text.indexOf(place) + place.length - 1).split("\n");
      const position = { line: before.length - 1, character: before.at(-1)?.length ?? 0 };
      const { result } = await server.request("textDocument/hover", { textDocument: { uri }, position });
      shown.push(result?.contents?.value ?? "");
    }
    return shown;
  } finally {
    server.close();
  }
}
