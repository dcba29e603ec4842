// The script of the page that robust.test.ts drives: a little training, in the page, in workers, on shared devices.
import * as wg from "../../src/index.ts";

/** Trains a perceptron from a seed and returns its losses; `between` runs after each step. */
async function train(steps: number, between: (step: number) => unknown = () => undefined): Promise<number[]> {
  wg.manualSeed(3);
  const model = new wg.nn.Sequential(
    new wg.nn.Linear(16, 32),
    new wg.nn.ReLU(),
    new wg.nn.Dropout(0.1),
    new wg.nn.Linear(32, 4),
  );
  const optimizer = new wg.optim.Adam(model.parameters(), { lr: 1e-2 });
  const x = wg.randn([64, 16]);
  const y = wg.randint(0, 4, [64]);
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    optimizer.zeroGrad();
    const loss = wg.crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    losses.push(await loss.item());
    await between(step);
  }
  return losses;
}

/** Doubles numbers with WebGPU code of the page's own. */
async function doubled(device: GPUDevice, numbers: readonly number[]): Promise<number[]> {
  const size = 4 * numbers.length;
  const buffer = device.createBuffer({
    size,
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
  });
  device.queue.writeBuffer(buffer, 0, Float32Array.from(numbers));
  const code = `@group(0) @binding(0) var<storage, read_write> x: array<f32>;
    @compute @workgroup_size(1) fn main(@builtin(global_invocation_id) id: vec3<u32>) { x[id.x] = 2.0 * x[id.x]; }`;
  const pipeline = device.createComputePipeline({
    layout: "auto",
    compute: { module: device.createShaderModule({ code }) },
  });
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer } }],
  });
  const staging = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(numbers.length);
  pass.end();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  return Array.from(new Float32Array(staging.getMappedRange()));
}

/** A device of the page's own with the limits that every device has, shared with wgrad and used by both in turn. */
async function share(
  steps: number,
): Promise<{ losses: number[]; own: number[][]; lost: boolean; afterwards: number[] }> {
  const adapter = await navigator.gpu.requestAdapter();
  if (adapter === null) throw new Error("there is no adapter");
  const device = await adapter.requestDevice();
  let lost = false;
  device.lost.then(() => {
    lost = true;
  });
  // The page's own mistakes are the page's, not wgrad's.
  device.addEventListener("uncapturederror", (event) => event.preventDefault());
  const engine = await wg.init({ device });
  const own: number[][] = [];
  const losses = await train(steps, async (step) => {
    device.createBuffer({ size: 4, usage: 0 });
    own.push(await doubled(device, [step, 1]));
  });
  engine.destroy();
  await new Promise((resolve) => setTimeout(resolve, 50));
  const afterwards = await doubled(device, [21]);
  await wg.init();
  return { losses, own, lost, afterwards };
}

/** Starts a worker that trains without end; resolves when it is in the middle of that. */
function startWorker(): Promise<Worker> {
  return new Promise((resolve, reject) => {
    const worker = new Worker("robust-page.js?forever", { type: "module" });
    worker.onerror = (event) => reject(new Error(event.message));
    worker.onmessage = () => resolve(worker);
  });
}

async function terminate(times: number): Promise<void> {
  for (let i = 0; i < times; i++) (await startWorker()).terminate();
}

if (globalThis.document === undefined) await train(1e9, (step) => step === 5 && postMessage("training"));
else Object.assign(globalThis, { train, share, terminate });

export { train };
