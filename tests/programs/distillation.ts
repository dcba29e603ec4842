// Knowledge distillation (Hinton et al. 2015) as in PyTorch's tutorial: a teacher learns, then a student from its soft targets.

import { crossEntropy, nn, noGrad, optim, type Tensor, tensor } from "../../src/index.ts";
import { numbers, type ProgramRecord } from "../support/programs.ts";
import { Classifier, type Layer, twoBatches } from "./classifier.ts";

type Batches = ReturnType<typeof twoBatches>;

const T = 2;
const SOFT_TARGET_LOSS_WEIGHT = 0.25;
const CE_LOSS_WEIGHT = 0.75;

async function train(model: Layer, batches: Batches, epochs: number): Promise<number[]> {
  const criterion = new nn.CrossEntropyLoss();
  const optimizer = new optim.Adam(model.parameters(), { lr: 3e-2 });
  model.train();
  const history: number[] = [];
  for (let epoch = 0; epoch < epochs; epoch++) {
    let runningLoss = 0;
    for (const { inputs, labels } of batches) {
      optimizer.zeroGrad();
      const loss = criterion.forward(model.forward(inputs), labels);
      loss.backward();
      optimizer.step();
      runningLoss += await loss.item();
    }
    history.push(runningLoss / batches.length);
  }
  return history;
}

interface Distilled {
  losses: number[];
  softLosses: Tensor[];
  epochs: number[];
}

async function trainKnowledgeDistillation(teacher: Layer, student: Layer, batches: Batches): Promise<Distilled> {
  const optimizer = new optim.Adam(student.parameters(), { lr: 3e-2 });
  teacher.eval();
  student.train();
  const history: Distilled = { losses: [], softLosses: [], epochs: [] };
  for (let epoch = 0; epoch < 5; epoch++) {
    let runningLoss = 0;
    for (const { inputs, labels } of batches) {
      optimizer.zeroGrad();
      const teacherLogits = noGrad(() => teacher.forward(inputs));
      const studentLogits = student.forward(inputs);
      const softTargets = teacherLogits.div(T).softmax(-1);
      const softProb = studentLogits.div(T).logSoftmax(-1);
      const softTargetsLoss = softTargets
        .mul(softTargets.log().sub(softProb))
        .sum()
        .div(softProb.shape[0] as number)
        .mul(T ** 2);
      const labelLoss = crossEntropy(studentLogits, labels);
      const loss = softTargetsLoss.mul(SOFT_TARGET_LOSS_WEIGHT).add(labelLoss.mul(CE_LOSS_WEIGHT));
      loss.backward();
      optimizer.step();
      runningLoss += await loss.item();
      history.losses.push(await loss.item());
      history.softLosses.push(softTargetsLoss.detach());
    }
    history.epochs.push(runningLoss / batches.length);
  }
  return history;
}

async function test(model: Layer, batches: Batches): Promise<number> {
  model.eval();
  let [correct, total] = [0, 0];
  for (const { inputs, labels } of batches) {
    const outputs = noGrad(() => model.forward(inputs));
    total += labels.numel;
    correct += await outputs.argmax(1).eq(labels).sum().item();
  }
  return (100 * correct) / total;
}

export async function distillation(record: ProgramRecord): Promise<void> {
  const batches = twoBatches(record);
  const teacher = record.load(new Classifier(16), "teacher");
  const student = record.load(new nn.Sequential(new nn.Linear(8, 8), new nn.ReLU(), new nn.Linear(8, 4)), "student");
  record.follows("teacher", await train(teacher, batches, 3));
  const { losses, softLosses, epochs } = await trainKnowledgeDistillation(teacher, student, batches);
  record.follows("loss", losses);
  record.follows("soft", await numbers(softLosses));
  record.follows("epochs", epochs);
  await record.near("accuracy", tensor(await test(student, batches)));
  await record.near("teacherAccuracy", tensor(await test(teacher, batches)));
}
