// Plans of training steps without a device, for the limits that a test names.

import { planOf, useRematerialization } from "../../src/engine/plan-cache.ts";
import { assignedTensors, gatherRequests, takeLosses, unmarkAssigned } from "../../src/engine/requests.ts";
import type { DeviceTraits } from "../../src/graph/kernel-program.ts";
import { lastNode } from "../../src/graph/node.ts";
import { type Capture, capture } from "../../src/graph/program.ts";
import { recording } from "../../src/graph/tensor.ts";
import { newTrace } from "../../src/graph/trace.ts";
import { crossEntropy, grad, nn, type Tensor, tensor } from "../../src/index.ts";
import type { Plan } from "../../src/schedule/plan.ts";
import { rematerialize } from "../../src/schedule/rematerialize.ts";
import { GUARANTEED } from "../../src/shaders/kernel.ts";

/** The graph that `step` records. */
export function captureStep(step: () => Tensor | Tensor[]): Capture {
  const trace = newTrace(lastNode());
  const results = [recording.under({ trace }, step)].flat();
  takeLosses();
  const assigned = assignedTensors();
  const requests = gatherRequests(
    results.map((t) => t.node),
    assigned,
  );
  for (const tensor of assigned) unmarkAssigned(tensor);
  return capture(requests);
}

/** The plan that `step` would run with a workspace of at most `memory` bytes; nothing is computed. */
export function planStep(
  step: () => Tensor | Tensor[],
  traits: Partial<DeviceTraits> = {},
  memory: number = Number.POSITIVE_INFINITY,
): Plan {
  const captured = captureStep(step);
  // As `init` does where it is told a limit.
  useRematerialization(rematerialize);
  return planOf(
    captured,
    captured.constants.map(() => false),
    { ...GUARANTEED, ...traits },
    memory,
  );
}

/** The loss of a classifier and the gradients of all its parameters, which are zeros in memory. */
export function classifierStep(
  model: nn.Module & { forward(x: Tensor): Tensor },
  input: Tensor,
  examples: number,
): () => Tensor[] {
  const target = tensor(new Int32Array(examples));
  const parameters = [...model.parameters()];
  // As they are behind the first step, with no random numbers to draw.
  for (const t of [...parameters, ...model.buffers()]) {
    unmarkAssigned(t);
    t.replaceNode(tensor(new Float32Array(t.numel), { shape: t.shape, dtype: t.dtype }).node);
  }
  return () => {
    const loss = crossEntropy(model.forward(input), target);
    return [loss, ...grad(loss, parameters)];
  };
}

/** A block of a Transformer with 4 heads. */
export class Block extends nn.Module {
  readonly first: nn.LayerNorm;
  readonly attention: nn.Linear;
  readonly projection: nn.Linear;
  readonly second: nn.LayerNorm;
  readonly up: nn.Linear;
  readonly down: nn.Linear;
  readonly #wide: number;

  constructor(wide: number) {
    super();
    this.#wide = wide;
    this.first = new nn.LayerNorm([wide]);
    this.attention = new nn.Linear(wide, 3 * wide);
    this.projection = new nn.Linear(wide, wide);
    this.second = new nn.LayerNorm([wide]);
    this.up = new nn.Linear(wide, 4 * wide);
    this.down = new nn.Linear(4 * wide, wide);
  }

  override forward(x: Tensor): Tensor {
    const [batch, length] = x.shape as [number, number];
    const heads = this.attention
      .forward(this.first.forward(x))
      .reshape([batch, length, 3, 4, this.#wide / 4])
      .permute([2, 0, 3, 1, 4]);
    const [q, k, v] = heads.unbind() as [Tensor, Tensor, Tensor];
    const seen = q.scaledDotProductAttention(k, v, { isCausal: true }).permute([0, 2, 1, 3]).reshape(x.shape);
    const y = x.add(this.projection.forward(seen));
    return y.add(this.down.forward(this.up.forward(this.second.forward(y)).gelu()));
  }
}

/** A GPT with logits [batch · length, 64]. */
export class Gpt extends nn.Module {
  readonly tokens: nn.Embedding;
  readonly blocks: nn.ModuleList;
  readonly head: nn.Linear;
  readonly #run: (block: Block, x: Tensor) => Tensor;

  constructor(layers: number, wide: number, run: (block: Block, x: Tensor) => Tensor) {
    super();
    this.tokens = new nn.Embedding(64, wide);
    this.blocks = new nn.ModuleList(Array.from({ length: layers }, () => new Block(wide)));
    this.head = new nn.Linear(wide, 64);
    this.#run = run;
  }

  override forward(x: Tensor): Tensor {
    let h = this.tokens.forward(x);
    for (const block of this.blocks) h = this.#run(block as Block, h);
    return this.head.forward(h).reshape([-1, 64]);
  }
}
