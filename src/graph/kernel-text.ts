// Pieces of hand-written kernels' texts.

/**
 * The entry point of a kernel with `size` invocations per workgroup. Its body knows `group`, the flat number of the workgroup, and `local`,
 * that of the invocation in it (u32). A large grid is folded, so there may be more workgroups than asked for: what lies behind must be
 * left alone. With `subgroups`, `lane` and `lanes` are the invocation's number in its subgroup and the subgroup's size.
 */
export function entryPoint(size: number, body: string, options: { readonly subgroups?: boolean } = {}): string {
  const lines = simplified(body.replace(/^\n+|\s+$/g, "")).split("\n");
  return [...entryHead(size, options), ...indented(lines, 1), "}"].join("\n");
}

/** Integer arithmetic without factors of one, sums with nothing, and brackets around names. */
export function simplified(text: string): string {
  return text
    .replaceAll(/ [*/] 1u?(?![\w.])/g, "")
    .replaceAll(/ \+ 0u?(?![\w.]| [*/%])/g, "")
    .replaceAll(/(?<![\w>] ?)\((\w+)\)(?= [-+*/%])/g, "$1");
}

/** Lines indented by the blocks that they stand in. */
export function indented(lines: readonly string[], depth: number): string[] {
  let open = depth;
  return lines.map((line) => {
    const text = line.trim();
    const closing = /^[})]+/.exec(text)?.[0].replaceAll(")", "").length ?? 0;
    const indent = open - closing;
    for (const letter of text) open += letter === "{" ? 1 : letter === "}" ? -1 : 0;
    return text === "" ? "" : "  ".repeat(indent) + text;
  });
}

/** The lines in front of an entry point's body. */
export function entryHead(size: number, options: { readonly subgroups?: boolean } = {}): string[] {
  const parameters = [
    "@builtin(workgroup_id) group_id: vec3<u32>",
    "@builtin(num_workgroups) groups: vec3<u32>",
    "@builtin(local_invocation_index) local: u32",
  ];
  if (options.subgroups === true)
    parameters.push("@builtin(subgroup_invocation_id) lane: u32", "@builtin(subgroup_size) lanes: u32");
  return [
    `@compute @workgroup_size(${size})`,
    `fn main(${parameters.join(", ")}) {`,
    "  let group = group_id.x + group_id.y * groups.x;",
  ];
}
