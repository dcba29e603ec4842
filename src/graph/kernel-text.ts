// Pieces of hand-written kernels' texts.

/**
 * The entry point of a kernel with `size` invocations per workgroup. Its body knows `group`, the flat number of the workgroup, and `local`,
 * that of the invocation in it (u32). A large grid is folded, so there may be more workgroups than asked for: what lies behind must be
 * left alone. With `subgroups`, `lane` and `lanes` are the invocation's number in its subgroup and the subgroup's size.
 */
export function entryPoint(size: number, body: string, options: { readonly subgroups?: boolean } = {}): string {
  const lines = body.replace(/^\n+|\s+$/g, "").split("\n");
  return [...entryHead(size, options), ...lines.map((line) => (line === "" ? "" : `  ${line}`)), "}"].join("\n");
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
