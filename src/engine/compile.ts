// compile: a step recorded once per shape signature, then replayed with no recording.

import { must, StaleTensorError, WgradError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import { lastNode, type Node, sourceNode, stateNode } from "../graph/node.ts";
import { type Capture, capture, isRealized } from "../graph/program.ts";
import type { Trace } from "../graph/recording.ts";
import { Cell, Storage } from "../graph/storage.ts";
import { collectTensors, handleOn, leafOf, recording, Tensor, withGrad } from "../graph/tensor.ts";
import { currentTrace, newTrace } from "../graph/trace.ts";
import { checkFunction, refusePromise } from "../ops/check.ts";
import { copyOf } from "../ops/memory.ts";
import { assign } from "./core-functions.ts";
import { dataBytes, flush, type Job, makeJob, numberIn, outputsOf, start, submit } from "./engine.ts";
import {
  abandonAssigned,
  addGradients,
  assignedTensors,
  dropGradient,
  gatherRequests,
  isAssigned,
  isPending,
  settleAssigned,
  takeLosses,
  unmarkAssigned,
} from "./requests.ts";

/** A tensor, or arrays and plain objects of tensors (other values pass through unchanged). */
export type Nested =
  | Tensor
  | number
  | string
  | boolean
  | null
  | undefined
  | readonly Nested[]
  | { readonly [name: string]: Nested };

/** A tensor from outside as it was when the step was traced: where its state lives, or its value if it has no state. */
interface State {
  readonly tensor: Tensor;
  readonly cell: Cell | null;
  readonly node: Node;
  readonly requiresGrad: boolean;
}

interface Compiled {
  readonly trace: Trace<Tensor>;
  readonly captured: Capture;
  /** Where the step finds the captured buffers and numbers. */
  readonly leaves: readonly (Cell | Storage)[];
  readonly numbers: readonly (Cell | Storage)[];
  /** The nodes of those that are no state. */
  readonly constants: readonly Node[];
  /** Argument tensor that a buffer leaf stands for, or -1. */
  readonly argumentOf: readonly number[];
  readonly first: Job;
  /** Tensors whose state the step overwrites. */
  readonly assigned: readonly Tensor[];
  /** Tensors that were state when the step was traced, as they were. */
  readonly state: readonly State[];
  readonly rebuild: (outputs: readonly Tensor[]) => unknown;
  /** Requests that the function returned, in the order of `rebuild`. */
  readonly results: readonly { readonly node: Node; readonly request: number }[];
  /** Arguments that the step assigns to, and which of the results they get. */
  readonly written: readonly { readonly argument: number; readonly output: number }[];
  /** Arguments that get a gradient, and which of the results it is. */
  readonly graded: readonly { readonly argument: number; readonly output: number }[];
  /** Other leaves whose gradients the step reads or changes, and what a call leaves there. */
  readonly gradients: readonly { readonly leaf: Tensor; readonly gradient: Tensor | null }[];
}

/** The arguments of a call of a compiled step: tensors, where their values lie, and the nodes that were computed for this call alone. */
interface Given {
  readonly inputs: readonly Tensor[];
  readonly nodes: readonly Node[];
  readonly passing: readonly Node[];
}

/** Calls `visit` for every tensor inside and returns a function that puts others in their places. */
function flatten(value: unknown, visit: (tensor: Tensor) => number): (tensors: readonly Tensor[]) => unknown {
  if (value instanceof Tensor) {
    const index = visit(value);
    return (tensors) => tensors[index];
  }
  if (Array.isArray(value)) {
    const parts = value.map((v) => flatten(v, visit));
    return (tensors) => parts.map((p) => p(tensors));
  }
  if (value !== null && typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype) {
    const parts = Object.entries(value).map(([name, v]) => [name, flatten(v, visit)] as const);
    return (tensors) => Object.fromEntries(parts.map(([name, p]) => [name, p(tensors)]));
  }
  return () => value;
}

/**
 * Returns a function that runs `step` as one plan. The first call with a given signature (shapes, dtypes, other
 * arguments) traces `step`; later calls replay the plan without recording. A call returns what `step` returns, already
 * submitted. `step` must be synchronous; its arguments and results are tensors, or arrays and objects of tensors.
 *
 * Learning rates, random numbers and the state of tensors are taken anew at each call. If `module.training`, the
 * `requiresGrad` of a leaf, or the options or groups of an optimizer have changed, the step is traced again. All other
 * JavaScript values (numbers in closures, the list of layers) stay as they were when the step was traced.
 */
export function compile<Arguments extends readonly unknown[], Result>(
  step: (...args: Arguments) => Result,
): (...args: Arguments) => Result {
  checkFunction("compile", "the argument", step);
  const compiled = new Map<string, Compiled>();
  return (...args) => {
    if (currentTrace() !== null) return step(...args);
    const inputs: Tensor[] = [];
    let signature = "";
    const rebuild = flatten(args, (tensor) => {
      const known = inputs.indexOf(tensor);
      signature += known < 0 ? "" : `|=${known}`;
      if (known >= 0) return known;
      signature += `|${tensor.dtype}[${tensor.shape.join()}]${tensor.requiresGrad ? "g" : ""}`;
      return inputs.push(tensor) - 1;
    });
    signature += JSON.stringify(args, (_name, value: unknown) =>
      value instanceof Tensor ? "tensor" : typeof value === "function" ? String(value) : value,
    );
    // Pending requests belong before the step, not into it.
    if (isPending()) submit();
    const nodes = inputs.map((t) => t.node);
    const unknown = nodes.filter((node) => !isRealized(node));
    // An argument that is computed for one call alone need not be kept beyond it.
    const passing = unknown.filter((node) => !node.seen);
    if (unknown.length > 0) {
      flush(nodes, null, { remember: passing });
    }
    const known = compiled.get(signature);
    const given: Given = { inputs, nodes, passing };
    if (known !== undefined && isValid(known)) return replay(known, given) as Result;
    const { made, result } = traceStep(step, rebuild, given);
    if (!made.trace.unsettled) {
      // A tensor that is no state stays alive for the step, also if its handles are given up.
      for (const node of known?.constants ?? []) node.release();
      for (const node of made.constants) node.retain();
      compiled.set(signature, made);
    }
    return result as Result;
  };
}

/** Whether everything is as it was found when the step was traced. */
function isValid({ state, trace, leaves, numbers, argumentOf }: Compiled): boolean {
  return (
    state.every(
      ({ tensor, cell, node, requiresGrad }) =>
        !tensor.disposed &&
        (cell === null ? tensor.slot === null && tensor.node === node : tensor.slot?.cell === cell) &&
        tensor.requiresGrad === requiresGrad,
    ) &&
    leaves.every((leaf, i) => argumentOf[i] !== -1 || !present(leaf).freed) &&
    numbers.every((leaf) => present(leaf).host !== null) &&
    trace.guards.every((holds) => holds())
  );
}

function traceStep<Arguments extends readonly unknown[], Result>(
  step: (...args: Arguments) => Result,
  rebuildArguments: (tensors: readonly Tensor[]) => unknown,
  given: Given,
): { made: Compiled; result: unknown } {
  const trace = newTrace(lastNode());
  const made: Tensor[] = [];
  const placeholders = given.inputs.map((t) => {
    const cell = new Cell(Math.max(dataBytes(t), 8), t.dtype);
    const { storage } = cell;
    const slot = { cell, offset: 0, shape: t.shape };
    const placeholder = new Tensor(stateNode(cell, 0, t.shape, t.dtype), slot);
    if (t.requiresGrad) placeholder.requiresGrad = true;
    return { storage, placeholder };
  });
  try {
    const returned = collectTensors(made, () =>
      recording.under({ trace }, () =>
        step(...(rebuildArguments(placeholders.map((p) => p.placeholder)) as unknown as Arguments)),
      ),
    );
    refusePromise("compile", returned);
    return firstRun(trace, returned, placeholders, given, made);
  } catch (error) {
    // Recorded requests must not be left for the next submit.
    abandonAssigned();
    throw error;
  } finally {
    takeLosses();
    // Tensors that were made meanwhile have a value in the step alone: reading them later is an error.
    for (const tensor of made) tensor.letGo();
    for (const { storage } of placeholders) storage.lose(ONLY_TRACED);
  }
}

/** Makes a compiled step of what was traced, and runs it. */
function firstRun(
  trace: Trace<Tensor>,
  returned: unknown,
  placeholders: readonly { readonly storage: Storage; readonly placeholder: Tensor }[],
  given: Given,
  traced: readonly Tensor[],
): { made: Compiled; result: unknown } {
  takeLosses();
  const outputs: Tensor[] = [];
  const rebuild = flatten(returned, (tensor) => outputs.push(tensor) - 1);
  // Requests that were recorded before the step are not part of it.
  flush(
    [...trace.inputs.values(), ...outputs.map(({ node }) => node)].filter(({ id }) => id <= trace.start),
    null,
    { only: true },
  );
  // An argument that is assigned inside is given its new value after each call.
  const written = placeholders.flatMap(({ placeholder }, argument) => {
    if (!isAssigned(placeholder)) return [];
    unmarkAssigned(placeholder);
    return [{ argument, output: outputs.push(placeholder) - 1 }];
  });
  const graded = placeholders.flatMap(({ placeholder }, argument) => {
    const { gradient } = placeholder;
    if (gradient === null) return [];
    placeholder.gradient = null;
    return [{ argument, output: outputs.push(gradient) - 1 }];
  });
  checkGraded(graded, given);
  // A returned value that existed before the step, an argument for one, is copied: every call returns tensors of its own.
  const outputNodes = outputs.map((t, i) => (isRealized(t.node) ? copyOf(t.node, i) : t.node));
  const assigned = assignedTensors();
  const requests = gatherRequests(outputNodes, assigned);
  const captured = capture(requests);
  const placeholderOf = new Map(placeholders.map(({ storage }, i) => [storage, i]));
  const argumentOf = captured.buffers.map((b) => placeholderOf.get(b.storage) ?? -1);
  const returnedOnly = outputs.filter(({ lastNode: { id } }) => id <= trace.start);
  const outside = new Set([...trace.inputs.keys(), ...returnedOnly, ...assigned]);
  for (const { node } of captured.buffers) {
    const leaf = node === null ? null : leafOf(node);
    if (leaf !== null) outside.add(leaf);
  }
  const state = [...outside].flatMap((tensor): State[] => {
    if (tensor.disposed) return [];
    const { node, slot, requiresGrad } = tensor;
    return [{ tensor, cell: slot?.cell ?? null, node, requiresGrad }];
  });
  const leaves = captured.buffers.map(placeOf);
  const numbers = captured.scalars.map((node) => placeOf({ storage: node.storage as Storage, node }));
  const job = jobOf(captured, assigned);
  const results = outputs.map((tensor, i) => {
    const node = outputNodes[i] as Node;
    return { node, request: requests.findIndex((r) => r.slot === null && r.node === node), tensor };
  });
  const made: Compiled = {
    trace,
    captured,
    leaves,
    numbers,
    constants: captured.buffers.flatMap(({ node }, i) => (node === null || leaves[i] instanceof Cell ? [] : [node])),
    argumentOf,
    first: job,
    assigned,
    state,
    rebuild,
    results,
    written,
    graded,
    gradients: gradientsBehind(
      trace,
      placeholders.map(({ placeholder }) => placeholder),
    ),
  };
  const own = apartFrom(assigned, given);
  for (const tensor of traced) tensor.letGo();
  return { made, result: run(made, job, own) };
}

const ONLY_TRACED = new StaleTensorError(
  "this tensor depends on arguments of a compiled step and was made while it was traced: it has a value only in there. Return it, alone or in arrays and plain objects.",
);

/** What leaves have as gradients behind a call: none that the step has computed, as it keeps none. */
function gradientsBehind({ graded, start }: Trace<Tensor>, own: readonly Tensor[]): Compiled["gradients"] {
  return [...graded].flatMap((leaf) => {
    const { gradient } = leaf;
    const isInside = ({ slot, lastNode: { id } }: Tensor): boolean => slot === null && id > start;
    if (own.includes(leaf) || isInside(leaf)) return [];
    if (gradient === null || !isInside(gradient)) return [{ leaf, gradient }];
    const storage = new Storage(dataBytes(gradient), null);
    storage.lose(NOT_KEPT);
    return [{ leaf, gradient: handleOn(sourceNode(storage, 0, gradient.shape, gradient.dtype)) }];
  });
}

const NOT_KEPT = new StaleTensorError(
  "a compiled step computed this gradient and did not keep it. Return it from the step, as in { loss, gradient: weight.grad }.",
);

/** Throws where an argument that gets a gradient has no place for it. */
function checkGraded(graded: Compiled["graded"], { inputs }: Given): void {
  for (const { argument } of graded) {
    const input = inputs[argument] as Tensor;
    if (input.lastNode.leaf === input) continue;
    throw new WgradError(
      `compile: backward came to argument ${argument} of shape ${formatShape(input.shape)}, which is the result of an op: its gradient would end there. Compute it inside the step, or pass x.detach().`,
      { op: "compile", shapes: [input.shape] },
    );
  }
}

/** The arguments, copied where the step overwrites what they lie in. */
function apartFrom(assigned: readonly Tensor[], given: Given): Given {
  const { nodes } = given;
  const written = new Set(assigned.map(({ slot }) => slot?.cell.storage));
  const own = nodes.map((node, i) => (written.has(node.storage as Storage) ? copyOf(node, i) : node));
  if (own.some((node, i) => node !== nodes[i])) flush(own, null, { only: true });
  return { ...given, nodes: own };
}

/** A job for one call, with memory of its own for what it returns. */
function jobOf(captured: Capture, assigned: readonly Tensor[]): Job {
  const nothing = (): void => undefined;
  return makeJob(captured, outputsOf(captured), { assigned, realized: [], reads: [], settle: nothing, fail: nothing });
}

/** Returns where a step finds a leaf of its trace: the current value of a state, or the value at the trace. */
function placeOf({ storage, node }: { readonly storage: Storage; readonly node: Node | null }): Cell | Storage {
  const cell = node === null ? storage.cell : node.cell;
  return cell?.storage === storage ? cell : storage;
}

function present(leaf: Cell | Storage): Storage {
  return leaf instanceof Cell ? leaf.storage : leaf;
}

function replay(compiled: Compiled, given: Given): unknown {
  checkGraded(compiled.graded, given);
  for (const effect of compiled.trace.effects) effect();
  const job = jobOf(compiled.captured, compiled.assigned);
  return run(compiled, job, apartFrom(compiled.assigned, given));
}

/** Runs the step's job on these arguments and returns what the function returns. */
function run(compiled: Compiled, job: Job, { inputs, nodes, passing }: Given): unknown {
  const given = (i: number): Node | null => {
    const argument = compiled.argumentOf[i] as number;
    return argument < 0 ? null : (nodes[argument] as Node);
  };
  const storages = compiled.leaves.map((leaf, i) => given(i)?.storage ?? present(leaf));
  const bound: Job = {
    ...job,
    storages,
    offsets: job.offsets.map((o, i) => given(i)?.offset ?? o),
    hosts: storages.map(({ host }) => host),
    scalars: compiled.captured.scalars.map(({ dtype }, i) => numberIn(present(compiled.numbers[i] as Storage), dtype)),
    advances: settleAssigned(compiled.assigned),
    passing,
    plan: compiled.first.plan,
  };
  start(bound);
  compiled.first.plan = bound.plan;
  const outputs = compiled.results.map(({ node, request }) => {
    const storage = must(job.outputs[request], "a result without memory");
    return new Tensor(sourceNode(storage, 0, node.shape, node.dtype));
  });
  for (const { leaf, gradient } of compiled.gradients) {
    if (leaf.gradient === gradient) continue;
    if (gradient === null) dropGradient(leaf);
    else leaf.grad = gradient;
  }
  for (const { argument, output } of compiled.written) assign(inputs[argument] as Tensor, outputs[output] as Tensor);
  const gradients = compiled.graded.map(
    ({ argument, output }) => [inputs[argument], outputs[output]] as [Tensor, Tensor],
  );
  withGrad(false, () => addGradients(new Map(gradients)));
  return compiled.rebuild(outputs);
}
