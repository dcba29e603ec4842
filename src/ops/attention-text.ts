// Shaders of attention in one pass: rows of one side stay in registers while rows of the other stream by, shared by a workgroup.

import type { DType } from "../base/dtype.ts";
import { type Shape, sizeOf } from "../base/shape.ts";
import { forLanes } from "../graph/helpers.ts";
import type { DeviceTraits, KernelText } from "../graph/kernel-program.ts";
import { entryPoint } from "../graph/kernel-text.ts";
import { DROPOUT } from "./dropout.ts";

/** How the rows are divided and what streams by is shared. */
export type AttentionSchedule = {
  /** Rows per invocation. */
  readonly rows: number;
  /** Invocations per workgroup. */
  readonly size: number;
  /**
   * "subgroup": each lane loads a part of the row that streams by and hands it to all others; "tile": the workgroup loads a tile of
   * rows into its memory.
   */
  readonly share: "subgroup" | "tile";
};

/** Elements [batch…, row, column] of a binding, at offset + Σ index·stride. */
export interface Operand {
  readonly name: string;
  readonly binding: string;
  readonly dtype: DType;
  readonly offset: number;
  readonly strides: readonly number[];
  /** Elements of a row. */
  readonly width: number;
}

/** Everything that the texts depend on. */
export interface AttentionProblem {
  readonly batch: Shape;
  /** Queries and keys. */
  readonly queries: number;
  readonly keys: number;
  readonly scale: number;
  readonly causal: boolean;
  readonly mask?: Operand;
  readonly dropout: boolean;
  readonly q: Operand;
  readonly k: Operand;
  readonly v: Operand;
}

/** Further inputs of the backward kernels. The buffer of the gradients is f32. */
export interface BackwardOperands {
  readonly g: Operand;
  readonly dq: Operand;
  readonly dk: Operand;
  readonly dv: Operand;
  /**
   * Where in the gradients' buffer the sums of g · out are, a vec4 per query, of which the first number counts: writing a component may
   * touch the whole vector, so no two invocations write to one.
   */
  readonly sums: number;
}

/** Rows that stream by at a time, where they go through workgroup memory. */
const MOST_TILE = 32;
/** Rows that are few, where a causal mask leaves out the more the fewer go together. */
const FEW = 256;
/** Lines of vec4 arithmetic per row that streams by, for few rows and for many: more take longer to compile than they save. */
const MOST_LINES = [32, 64] as const;
/** A stale maximum costs nothing while no score is so much larger that its power could overflow. */
const SLACK = 20;
const LOWEST = "-0x1.fffffep+127f";

/** The three kernels: the result; dq, with each row's sum of g · out; dk and dv. */
export type AttentionKernel = "forward" | "queries" | "keys";

/** A kernel's rows, and the vec4 operations that each takes per row of the other side. */
function workOf(kernel: AttentionKernel, { q, v, queries, keys }: AttentionProblem): [rows: number, lines: number] {
  const [e, d] = [chunks(q), chunks(v)];
  if (kernel === "keys") return [keys, 2 * (e + d)];
  return [queries, kernel === "forward" ? e + d : 2 * e + d];
}

/** The schedule that is taken unless another was measured. */
function standardSchedule(kernel: AttentionKernel, problem: AttentionProblem, device: DeviceTraits): AttentionSchedule {
  const [rows, lines] = workOf(kernel, problem);
  if (device.kind === "software") {
    // Loads are gathers there: the more rows share them the better.
    let each = rows < FEW ? 2 : 4;
    while (each > 1 && each * lines > MOST_LINES[rows < FEW ? 0 : 1]) each /= 2;
    return device.subgroupSize > 1
      ? { rows: each, size: device.subgroupSize, share: "subgroup" }
      : { rows: each, size: 8, share: "tile" };
  }
  return { rows: lines <= 16 && rows >= 1024 ? 2 : 1, size: 64, share: "tile" };
}

/** That schedule, then others that may be faster. */
export function attentionSchedules(
  kernel: AttentionKernel,
  problem: AttentionProblem,
  device: DeviceTraits,
): AttentionSchedule[] {
  const [rows, lines] = workOf(kernel, problem);
  const standard = standardSchedule(kernel, problem, device);
  const { kind, subgroupSize } = device;
  // One lane loads for all in its workgroup: that is one subgroup.
  const ways: Omit<AttentionSchedule, "rows">[] = subgroupSize > 1 ? [{ size: subgroupSize, share: "subgroup" }] : [];
  for (const size of kind === "software" ? [8, 16] : [32, 64, 128]) ways.push({ size, share: "tile" });
  // More arithmetic than this per row that streams by spills registers.
  const counts = [1, 2, 4, 8].filter((n) => n === 1 || (n * lines <= 2 * MOST_LINES[1] && n <= rows));
  const all = ways.flatMap((way) => counts.map((n) => ({ rows: n, ...way })));
  const same = (s: AttentionSchedule) =>
    s.rows === standard.rows && s.size === standard.size && s.share === standard.share;
  return [standard, ...all.filter((s) => !same(s))];
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Writes the texts of one problem on one device. */
export class AttentionWriter {
  readonly #kernel: AttentionKernel;
  readonly #problem: AttentionProblem;
  readonly #operands: readonly Operand[];
  readonly #schedule: AttentionSchedule;
  readonly #device: DeviceTraits;
  /** Functions and variables of the module by name. */
  readonly #declarations = new Map<string, string>();
  readonly #types: Record<string, string> = {};
  /** Bindings that are read or written as vec4. */
  readonly #wide: ReadonlySet<string>;
  readonly #lines: string[] = [];

  /** For a kernel that reads and writes the queries, keys and values, and `others` besides. */
  constructor(
    kernel: AttentionKernel,
    problem: AttentionProblem,
    others: readonly Operand[],
    device: DeviceTraits,
    schedule: AttentionSchedule | null,
  ) {
    this.#kernel = kernel;
    this.#problem = problem;
    this.#operands = [problem.q, problem.k, problem.v, ...others];
    this.#schedule = schedule ?? standardSchedule(kernel, problem, device);
    this.#device = device;
    const narrow = this.#operands.filter((x) => !isWide(x)).map((x) => x.binding);
    this.#wide = new Set(this.#operands.map((x) => x.binding).filter((name) => !narrow.includes(name)));
    for (const { binding, dtype } of this.#operands)
      this.#types[binding] = this.#wide.has(binding) ? `array<vec4<${dtype}>>` : `array<${dtype}>`;
  }

  /** out = softmax(q·kᵀ·scale + mask)·v, and the logarithm of each row's sum of powers. */
  forward(out: Operand): KernelText {
    const { q, v, queries, scale } = this.#problem;
    const rows = range(this.#schedule.rows);
    const [e, d] = [chunks(q), chunks(v)];
    this.#head(Math.max(e, d));
    this.#own("q", q, queries, scale);
    for (const r of rows) {
      this.#line(`var max_${r} = ${LOWEST};`, `var sum_${r} = 0.0;`);
      for (const c of range(d)) this.#line(`var o${r}_${c} = vec4<f32>(0.0);`);
    }
    this.#streamKeys(() => {
      this.#dots("s", "q", "k", e);
      const conditions = rows.map((r) => this.#visible(r, `row_${r}`, "j"));
      conditions.forEach((visible, r) => {
        if (visible !== null) this.#line(`s_${r} = select(${LOWEST}, s_${r}, ${visible});`);
      });
      // Rarely: a maximum may stay behind.
      this.#line(`while (${rows.map((r) => `(s_${r} > max_${r} + ${SLACK}.0)`).join(" | ")}) {`);
      for (const r of rows) {
        this.#line(`  let m_${r} = select(max_${r}, s_${r}, s_${r} > max_${r} + ${SLACK}.0);`);
        this.#line(`  let f_${r} = exp(max_${r} - m_${r});`, `  max_${r} = m_${r};`, `  sum_${r} *= f_${r};`);
        for (const c of range(d)) this.#line(`  o${r}_${c} *= f_${r};`);
      }
      this.#line("}");
      for (const r of rows) {
        const power = `exp(s_${r} - max_${r})`;
        const visible = conditions[r] ?? null;
        this.#line(`s_${r} = ${visible === null ? power : `select(0.0, ${power}, ${visible})`};`);
        this.#line(`sum_${r} += s_${r};`);
        if (this.#problem.dropout) this.#line(`s_${r} *= ${this.#kept(`row_${r}`, "j")};`);
      }
      this.#accumulate("o", "s", "v", d);
    });
    // A query that sees nothing gives 0, and its logarithm makes all powers 0 on the way back.
    for (const r of rows) {
      this.#line(`let scale_${r} = select(1.0 / sum_${r}, 0.0, sum_${r} == 0.0);`);
      this.#line(`if (row_${r} < ${queries}) {`);
      this.#line(
        `  logs[batch * ${queries} + row_${r}] = select(max_${r} + log(sum_${r}), -(${LOWEST}), sum_${r} == 0.0);`,
      );
      this.#line("}");
    }
    this.#store("o", out, queries, (r) => `scale_${r}`);
    return this.#finish();
  }

  /** dq, and each row's sum of g · out, which the other kernel needs as well. */
  queries(operands: BackwardOperands, out: Operand): KernelText {
    const { q, v, queries, scale } = this.#problem;
    const { g, dq, sums } = operands;
    const rows = range(this.#schedule.rows);
    const [e, d] = [chunks(q), chunks(v)];
    this.#head(Math.max(e, d));
    this.#own("q", q, queries, scale);
    this.#own("g", g, queries, 1);
    this.#load(out, queries, 1);
    for (const r of rows) {
      const terms = range(d).map((c) => `dot(g${r}_${c}, stage[${r * d + c}])`);
      this.#line(`let log_sum_${r} = logs[batch * ${queries} + min(row_${r}, ${queries - 1})];`);
      this.#line(`let total_${r} = ${terms.join(" + ")};`);
      for (const c of range(e)) this.#line(`var d${r}_${c} = vec4<f32>(0.0);`);
      this.#line(`if (row_${r} < ${queries}) {`);
      const vector = this.#wide.has(dq.binding);
      const sum = this.#sum(dq.binding, sums, `row_${r}`);
      this.#line(`  ${sum} = ${vector ? `vec4<f32>(total_${r})` : `total_${r}`};`, "}");
    }
    this.#streamKeys(() => {
      this.#dots("s", "q", "k", e);
      this.#dots("t", "g", "v", d);
      for (const r of rows) {
        const visible = this.#visible(r, `row_${r}`, "j");
        if (this.#problem.dropout) this.#line(`t_${r} *= ${this.#kept(`row_${r}`, "j")};`);
        const change = `exp(s_${r} - log_sum_${r}) * (t_${r} - total_${r})`;
        this.#line(`t_${r} = ${visible === null ? change : `select(0.0, ${change}, ${visible})`};`);
      }
      this.#accumulate("d", "t", "k", e);
    });
    this.#store("d", dq, queries, () => literal(scale));
    return this.#finish();
  }

  /** dk and dv. */
  keys(operands: BackwardOperands): KernelText {
    const { q, k, v, queries, keys, causal, scale } = this.#problem;
    const { g, dk, dv, sums } = operands;
    const rows = range(this.#schedule.rows);
    const [e, d] = [chunks(k), chunks(v)];
    this.#head(Math.max(e, d));
    this.#own("k", k, keys, scale);
    this.#own("v", v, keys, 1);
    for (const r of rows) {
      for (const c of range(e)) this.#line(`var a${r}_${c} = vec4<f32>(0.0);`);
      for (const c of range(d)) this.#line(`var b${r}_${c} = vec4<f32>(0.0);`);
    }
    this.#stream(
      causal ? `min(block * ${this.#block}, ${queries})` : "0",
      String(queries),
      [
        [q, "q"],
        [g, "g"],
      ],
      queries,
      () => {
        this.#line(`let log_sum = logs[batch * ${queries} + j];`);
        this.#line(`let total = ${this.#sum(dk.binding, sums, "j")}${this.#wide.has(dk.binding) ? ".x" : ""};`);
        this.#dots("s", "k", "q", e);
        this.#dots("t", "v", "g", d);
        for (const r of rows) {
          const visible = this.#visible(r, "j", `row_${r}`);
          if (visible !== null) this.#line(`s_${r} = select(${LOWEST}, s_${r}, ${visible});`);
          this.#line(`s_${r} = exp(s_${r} - log_sum);`);
          if (this.#problem.dropout) {
            this.#line(`let kept_${r} = ${this.#kept("j", `row_${r}`)};`);
            this.#line(`t_${r} = s_${r} * (kept_${r} * t_${r} - total);`, `s_${r} *= kept_${r};`);
          } else this.#line(`t_${r} = s_${r} * (t_${r} - total);`);
          if (visible !== null) this.#line(`t_${r} = select(0.0, t_${r}, visible_${r});`);
        }
        this.#accumulate("b", "s", "g", d);
        this.#accumulate("a", "t", "q", e);
      },
    );
    this.#store("a", dk, keys, () => literal(scale));
    this.#store("b", dv, keys, () => "1.0");
    return this.#finish();
  }

  /** Rows of a workgroup. */
  get #block(): number {
    return this.#schedule.rows * this.#schedule.size;
  }

  #line(...lines: string[]): void {
    this.#lines.push(...lines);
  }

  /** Workgroups per matrix of the batch, and in all. */
  #groups(): [blocks: number, total: number] {
    const blocks = Math.ceil(workOf(this.#kernel, this.#problem)[0] / this.#block);
    return [blocks, blocks * sizeOf(this.#problem.batch)];
  }

  /**
   * Where the operands' matrices begin, which rows this invocation has, and the stage: what rows of up to `width` vec4s go through on their way
   * between memory and registers, in one loop instead of a line per vec4.
   */
  #head(width: number): void {
    const { mask } = this.#problem;
    const { rows, size } = this.#schedule;
    const [blocks, total] = this.#groups();
    this.#line(
      `if (group >= ${total}u) { return; }`,
      `let batch = i32(group) / ${blocks};`,
      `let block = i32(group) % ${blocks};`,
      ...[...this.#operands, ...(mask === undefined ? [] : [mask])].map(
        (x) => `let ${x.name}_base = ${this.#start(x)};`,
      ),
      `let first = block * ${this.#block} + i32(local);`,
      ...(this.#schedule.share === "subgroup" ? ["let part = i32(lane);"] : []),
      ...range(rows).map((r) => `let row_${r} = first + ${r * size};`),
      `var stage: array<vec4<f32>, ${rows * width}>;`,
    );
  }

  /** A loop's number of rounds: software drivers unroll what they can count, and compile the result for seconds. */
  #rounds(count: number): string {
    return this.#device.kind === "software" ? `${count} * i32(groups.z)` : String(count);
  }

  /** The invocation's rows of an operand, times a factor, on the stage. */
  #load(x: Operand, count: number, factor: number): void {
    const width = chunks(x);
    const row = `min(first + i / ${width} * ${this.#schedule.size}, ${count - 1})`;
    this.#line(
      `for (var i = 0; i < ${this.#rounds(this.#schedule.rows * width)}; i++) {`,
      `  stage[i] = ${this.#read(x)}(${x.name}_base + ${row} * ${this.#stride(x)}, i % ${width})${factor === 1 ? "" : ` * ${literal(factor)}`};`,
      "}",
    );
  }

  /** The same in registers. */
  #own(name: string, x: Operand, count: number, factor: number): void {
    const width = chunks(x);
    this.#load(x, count, factor);
    for (const r of range(this.#schedule.rows))
      for (const c of range(width)) this.#line(`let ${name}${r}_${c} = stage[${r * width + c}];`);
  }

  #store(name: string, x: Operand, count: number, factor: (r: number) => string): void {
    const width = chunks(x);
    for (const r of range(this.#schedule.rows))
      for (const c of range(width)) this.#line(`stage[${r * width + c}] = ${name}${r}_${c} * ${factor(r)};`);
    this.#line(
      `for (var i = 0; i < ${this.#rounds(this.#schedule.rows * width)}; i++) {`,
      `  let row = first + i / ${width} * ${this.#schedule.size};`,
      `  if (row < ${count}) { ${this.#write(x)}(${x.name}_base + row * ${this.#stride(x)}, i % ${width}, stage[i]); }`,
      "}",
    );
  }

  /** Lets the keys that the workgroup's queries may see stream by, and their values, as `k` and `v`. */
  #streamKeys(body: () => void): void {
    const { k, v, keys, causal } = this.#problem;
    const end = causal ? `min((block + 1) * ${this.#block}, ${keys})` : String(keys);
    const operands = [
      [k, "k"],
      [v, "v"],
    ] as const;
    this.#stream("0", end, operands, keys, body);
  }

  /** Lets rows begin … end - 1 of some operands stream by; `chunk` names their parts while `body` is written. */
  #stream(
    begin: string,
    end: string,
    operands: readonly (readonly [Operand, string])[],
    count: number,
    body: () => void,
  ): void {
    const { size, share } = this.#schedule;
    const last = /^\d+$/.test(end) ? this.#rounds(Number(end)) : end;
    if (share === "subgroup") {
      this.#line(`for (var j = ${begin}; j < ${last}; j++) {`);
      for (const [x, name] of operands) {
        const width = chunks(x);
        this.#line(`let ${name}_at = ${x.name}_base + j * ${this.#stride(x)};`);
        for (const c of range(Math.ceil(width / size)))
          this.#line(`let ${name}_${c} = ${this.#read(x)}(${name}_at, min(part + ${c * size}, ${width - 1}));`);
      }
      body();
      this.#line("}");
      return;
    }
    const widths = operands.map(([x]) => chunks(x));
    const vectors = Math.floor(this.#device.workgroupBytes / 16);
    const tile = Math.max(1, Math.min(MOST_TILE, Math.floor(vectors / widths.reduce((sum, n) => sum + n, 0))));
    this.#line(`for (var start = ${begin}; start < ${last}; start += ${tile}) {`, "workgroupBarrier();");
    operands.forEach(([x, name], i) => {
      const width = widths[i] as number;
      this.#declarations.set(name, `var<workgroup> tile_${name}: array<vec4<f32>, ${tile * width}>;`);
      this.#line(
        `for (var i = i32(local); i < ${this.#rounds(tile * width)}; i += ${size}) {`,
        `  tile_${name}[i] = ${this.#read(x)}(${x.name}_base + min(start + i / ${width}, ${count - 1}) * ${this.#stride(x)}, i % ${width});`,
        "}",
      );
    });
    this.#line(
      "workgroupBarrier();",
      `for (var at = 0; at < min(${tile}, ${end} - start); at++) {`,
      "let j = start + at;",
    );
    body();
    this.#line("}", "}");
  }

  /** Part c of the row that streams by. */
  #chunk(name: string, width: number, c: number): string {
    const { size, share } = this.#schedule;
    if (share === "tile") return `tile_${name}[at * ${width} + ${c}]`;
    return `subgroupBroadcast(${name}_${Math.floor(c / size)}, ${c % size}u)`;
  }

  /** name_r = Σ own · streamed. */
  #dots(name: string, own: string, streamed: string, width: number): void {
    const rows = range(this.#schedule.rows);
    for (const r of rows) this.#line(`var ${name}_${r} = 0.0;`);
    this.#eachChunk(streamed, width, (r, c, x) => `${name}_${r} += dot(${own}${r}_${c}, ${x});`);
  }

  /** name += factor · streamed. */
  #accumulate(name: string, factor: string, streamed: string, width: number): void {
    this.#eachChunk(
      streamed,
      width,
      (r, c, x) => `${name}${r}_${c} = fma(vec4<f32>(${factor}_${r}), ${x}, ${name}${r}_${c});`,
    );
  }

  /** For each part c of the row that streams by, which `x` is, a line for each own row r. */
  #eachChunk(streamed: string, width: number, line: (r: number, c: number, x: string) => string): void {
    for (const c of range(width)) {
      if (this.#schedule.rows === 1) {
        this.#line(line(0, c, this.#chunk(streamed, width, c)));
        continue;
      }
      this.#line("{", `  let x = ${this.#chunk(streamed, width, c)};`);
      for (const r of range(this.#schedule.rows)) this.#line(`  ${line(r, c, "x")}`);
      this.#line("}");
    }
  }

  /** Adds numbers of the mask to the scores, and returns the condition under which key `key` counts, if there is one. */
  #visible(r: number, query: string, key: string): string | null {
    const { mask, causal, queries, keys } = this.#problem;
    const conditions = causal ? [`(${key} <= ${query})`] : [];
    if (mask !== undefined) {
      const rank = mask.strides.length;
      const clamped = (at: string, count: number) => (at.startsWith("row") ? `min(${at}, ${count - 1})` : at);
      const at = [
        "mask_base",
        `${clamped(query, queries)} * ${mask.strides[rank - 2]}`,
        `${clamped(key, keys)} * ${mask.strides[rank - 1]}`,
      ].join(" + ");
      if (mask.dtype === "bool") conditions.push(`(${mask.binding}[${at}] != 0u)`);
      else this.#line(`s_${r} += f32(${mask.binding}[${at}]);`);
    }
    if (conditions.length === 0) return null;
    this.#line(`let visible_${r} = ${conditions.join(" & ")};`);
    return `visible_${r}`;
  }

  /** 0 where a weight is dropped, else what makes up for it. */
  #kept(query: string, key: string): string {
    const { queries, keys } = this.#problem;
    return `dropout_factor(u32(batch * ${queries} + ${query}) * ${keys}u + u32(${key}), scalar_key(), scalar_p())`;
  }

  /** Units in which an operand's binding counts: elements, or vec4. */
  #unit(x: Operand): number {
    return this.#wide.has(x.binding) ? 4 : 1;
  }

  #stride(x: Operand): number {
    return (x.strides[x.strides.length - 2] as number) / this.#unit(x);
  }

  /** Where the operand's matrix of this batch begins. */
  #start(x: Operand): string {
    const unit = this.#unit(x);
    const terms = batchTerms(this.#problem.batch, x.strides).map(({ inner, size, stride }) => {
      const above = inner === 1 ? "batch" : `batch / ${inner}`;
      return `${size === null ? `(${above})` : `(${above} % ${size})`} * ${stride / unit}`;
    });
    return [...terms, x.offset / unit].join(" + ");
  }

  /** Name of the function that reads vec4 `d` of a row. */
  #read(x: Operand): string {
    const name = `read_${x.name}`;
    const { binding, width } = x;
    const step = x.strides[x.strides.length - 1] as number;
    const lines = this.#wide.has(binding)
      ? [`  return vec4<f32>(${binding}[at + d]);`]
      : [
          `  let i = at + d * ${4 * step};`,
          `  return vec4<f32>(${range(4)
            .map((c) => {
              const value = `f32(${binding}[i + ${c * step}])`;
              // Beyond the row's end lies something else.
              return c > 0 && width % 4 !== 0 ? `select(0.0, ${value}, d * 4 + ${c} < ${width})` : value;
            })
            .join(", ")});`,
        ];
    this.#define(name, `fn ${name}(at: i32, d: i32) -> vec4<f32> {`, lines);
    return name;
  }

  /** Name of the function that writes vec4 `d` of a row. */
  #write(x: Operand): string {
    const name = `write_${x.name}`;
    const { binding, width, dtype } = x;
    const step = x.strides[x.strides.length - 1] as number;
    const lines = this.#wide.has(binding)
      ? [`  ${binding}[at + d] = vec4<${dtype}>(value);`]
      : [
          `  let i = at + d * ${4 * step};`,
          ...range(4).map((c) => {
            const store = `${binding}[i + ${c * step}] = ${dtype}(value[${c}]);`;
            return c > 0 && width % 4 !== 0 ? `  if (d * 4 + ${c} < ${width}) { ${store} }` : `  ${store}`;
          }),
        ];
    this.#define(name, `fn ${name}(at: i32, d: i32, value: vec4<f32>) {`, lines);
    return name;
  }

  /** Where the sum of a query is, in the units of the gradients' binding. */
  #sum(binding: string, sums: number, query: string): string {
    const number = `batch * ${this.#problem.queries} + ${query}`;
    return this.#wide.has(binding) ? `${binding}[${sums / 4} + ${number}]` : `${binding}[${sums} + (${number}) * 4]`;
  }

  #define(name: string, head: string, lines: readonly string[]): void {
    this.#declarations.set(name, [head, ...lines, "}"].join("\n"));
  }

  /** The text, and its flops. */
  #finish(): KernelText {
    const { batch, queries, keys, causal, dropout } = this.#problem;
    const { size, share } = this.#schedule;
    const subgroups = share === "subgroup";
    const helpers = dropout ? forLanes(DROPOUT, 1) : [];
    const pairs = sizeOf(batch) * queries * keys * (causal ? 0.5 : 1);
    const main = entryPoint(size, this.#lines.join("\n"), { subgroups });
    return {
      wgsl: [...helpers, ...this.#declarations.values(), "", main].join("\n"),
      workgroups: this.#groups()[1],
      types: this.#types,
      ...(subgroups ? { enable: ["subgroups"] } : {}),
      // A multiplication and an addition per element of a vec4.
      flops: 8 * workOf(this.#kernel, this.#problem)[1] * pairs,
    };
  }
}

/** vec4s of a row. */
function chunks(x: Operand): number {
  return Math.ceil(x.width / 4);
}

/** Whether every row is made of whole vec4s. */
function isWide({ offset, strides, width }: Operand): boolean {
  const rank = strides.length;
  return (
    width % 4 === 0 &&
    offset % 4 === 0 &&
    strides[rank - 1] === 1 &&
    strides.every((stride, i) => i === rank - 1 || stride % 4 === 0)
  );
}

/** A batch's flat number taken apart, for one operand: ⌊batch / inner⌋ mod size · stride; dims that lie side by side are one. */
function batchTerms(
  batch: Shape,
  strides: readonly number[],
): { inner: number; size: number | null; stride: number }[] {
  const terms: { inner: number; size: number | null; stride: number }[] = [];
  let inner = sizeOf(batch);
  const outermost = inner;
  let at = 1;
  for (let i = batch.length - 1; i >= 0; i--) {
    const size = batch[i] as number;
    const stride = strides[i] as number;
    const last = terms[terms.length - 1];
    if (size > 1 && stride !== 0) {
      if (
        last !== undefined &&
        last.size !== null &&
        last.inner * last.size === at &&
        last.stride * last.size === stride
      )
        last.size *= size;
      else terms.push({ inner: at, size, stride });
    }
    at *= size;
  }
  inner = outermost;
  for (const term of terms) if (term.size !== null && term.inner * term.size === inner) term.size = null;
  return terms;
}

/** A number as f32 literal. */
function literal(value: number): string {
  const text = String(Math.fround(value));
  return /[.e]/.test(text) ? text : `${text}.0`;
}
