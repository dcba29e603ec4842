// A program that ends in the middle of its work: node ending.mjs process|error|worker-process|worker-error|worker-message MS
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { nn, optim, randn, tensor } from "../../src/index.ts";

const [how = "", ms = "0"]: string[] = isMainThread ? process.argv.slice(2) : workerData;

if (isMainThread && how.startsWith("worker-")) {
  const worker = new Worker(new URL(import.meta.url), { workerData: [how.slice(7), ms] });
  worker.on("message", () => setTimeout(() => worker.postMessage("stop"), Number(ms)));
  worker.on("error", ({ message }) => console.log(message));
  // This thread goes on.
  worker.on("exit", (code) => tensor([code]).add(1).item().then(console.log));
} else {
  await tensor([1]).add(1).item();
  // New numbers, new shaders.
  const size = 32 + Number(ms);
  const model = new nn.Sequential(new nn.Linear(size, size), new nn.GELU(), new nn.Linear(size, 7), new nn.Softmax(1));
  const optimizer = new optim.Adam(model.parameters());
  parentPort?.postMessage("started");
  if (how === "message") parentPort?.on("message", () => process.exit(3));
  else {
    setTimeout(() => {
      if (how === "error") throw new Error("on purpose");
      process.exit(3);
    }, Number(ms));
  }
  for (;;) {
    optimizer.zeroGrad();
    const loss = model
      .forward(randn([9, size]))
      .square()
      .sum();
    loss.backward();
    optimizer.step();
    await loss.item();
  }
}
