// Snapshots of kernels' texts, and the same texts in docs/shaders.md.

import { readFileSync, writeFileSync } from "node:fs";
import { kernelOf, shaderCases } from "./shader-cases.ts";

export const GALLERY = "docs/shaders.md";

export function snapshotOf(name: string): string {
  return `tests/unit/shaders/${name}.wgsl`;
}

/** A block of WGSL in the page, under the comment that names its kernel. */
const BLOCK = /<!-- shader: ([\w-]+) -->\n```wgsl\n([\s\S]*?)```/g;

/** The blocks of the page by their kernels. */
export function galleryBlocks(page: string): Map<string, string> {
  return new Map([...page.matchAll(BLOCK)].map(([, name, text]) => [name as string, text as string]));
}

/** Writes all snapshots, and the blocks of the page. */
export function writeSnapshots(): void {
  const texts = new Map(shaderCases.map((shader) => [shader.name, kernelOf(shader).listing]));
  for (const [name, text] of texts) writeFileSync(snapshotOf(name), text);
  const page = readFileSync(GALLERY, "utf8");
  const written = page.replaceAll(
    BLOCK,
    (block, name: string) => `<!-- shader: ${name} -->\n\`\`\`wgsl\n${texts.get(name) ?? block}\`\`\``,
  );
  writeFileSync(GALLERY, written);
}
