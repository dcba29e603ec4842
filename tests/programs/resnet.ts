// A residual net, after kuangliu/pytorch-cifar: two epochs, each with a test in eval().

import { adaptiveAvgPool2d, crossEntropy, data, nn, noGrad, optim, relu, type Tensor } from "../../src/index.ts";
import type { ProgramRecord } from "../support/programs.ts";

class BasicBlock extends nn.Module {
  conv1: nn.Conv2d;
  bn1: nn.BatchNorm2d;
  conv2: nn.Conv2d;
  bn2: nn.BatchNorm2d;
  shortcut: nn.Sequential = new nn.Sequential();

  constructor(inPlanes: number, planes: number, stride = 1) {
    super();
    this.conv1 = new nn.Conv2d(inPlanes, planes, 3, { stride, padding: 1, bias: false });
    this.bn1 = new nn.BatchNorm2d(planes);
    this.conv2 = new nn.Conv2d(planes, planes, 3, { stride: 1, padding: 1, bias: false });
    this.bn2 = new nn.BatchNorm2d(planes);
    if (stride !== 1 || inPlanes !== planes) {
      this.shortcut = new nn.Sequential(
        new nn.Conv2d(inPlanes, planes, 1, { stride, bias: false }),
        new nn.BatchNorm2d(planes),
      );
    }
  }

  override forward(x: Tensor): Tensor {
    let out = relu(this.bn1.forward(this.conv1.forward(x)));
    out = this.bn2.forward(this.conv2.forward(out));
    out = out.add(this.shortcut.forward(x));
    return relu(out);
  }
}

class ResNet extends nn.Module {
  inPlanes = 4;
  conv1 = new nn.Conv2d(3, 4, 3, { stride: 1, padding: 1, bias: false });
  bn1 = new nn.BatchNorm2d(4);
  layer1 = this.makeLayer(4, 1, 1);
  layer2 = this.makeLayer(8, 2, 2);
  linear = new nn.Linear(8, 4);

  makeLayer(planes: number, numBlocks: number, stride: number): nn.Sequential {
    const strides = [stride, ...new Array<number>(numBlocks - 1).fill(1)];
    const layers: BasicBlock[] = [];
    for (const s of strides) {
      layers.push(new BasicBlock(this.inPlanes, planes, s));
      this.inPlanes = planes;
    }
    return new nn.Sequential(...layers);
  }

  override forward(x: Tensor): Tensor {
    let out = relu(this.bn1.forward(this.conv1.forward(x)));
    out = this.layer1.forward(out);
    out = this.layer2.forward(out);
    out = adaptiveAvgPool2d(out, 1).flatten({ startDim: 1 });
    return this.linear.forward(out);
  }
}

export async function resnet(record: ProgramRecord): Promise<void> {
  const dataset = new data.TensorDataset(record.data("x"), record.data("y"));
  const trainloader = new data.DataLoader(dataset, { batchSize: 8 });
  const testloader = new data.DataLoader(dataset, { batchSize: 8 });
  const net = record.load(new ResNet());
  const criterion = new nn.CrossEntropyLoss();
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.05, momentum: 0.9, weightDecay: 5e-4 });
  const scheduler = new optim.lr.CosineAnnealingLR(optimizer, 2);
  const losses: number[] = [];
  const accuracies: number[] = [];
  const testLosses: number[] = [];
  const testAccuracies: number[] = [];
  let logits: Tensor[] = [];

  for (let epoch = 0; epoch < 2; epoch++) {
    net.train();
    let correct = 0;
    let total = 0;
    for await (const [inputs, targets] of trainloader) {
      optimizer.zeroGrad();
      const outputs = net.forward(inputs);
      const loss = criterion.forward(outputs, targets);
      loss.backward();
      optimizer.step();

      losses.push(Number(await loss.item()));
      const predicted = outputs.argmax(1);
      total += targets.numel;
      correct += Number(await predicted.eq(targets).sum().item());
      accuracies.push(correct / total);
    }
    scheduler.step();

    net.eval();
    correct = 0;
    total = 0;
    let testLoss = 0;
    logits = [];
    for await (const [inputs, targets] of testloader) {
      const outputs = noGrad(() => net.forward(inputs));
      testLoss += Number(await crossEntropy(outputs, targets).item());
      total += targets.numel;
      correct += Number(await outputs.argmax(1).eq(targets).sum().item());
      logits.push(outputs);
    }
    testLosses.push(testLoss / testloader.length);
    testAccuracies.push(correct / total);
  }

  record.follows("loss", losses);
  record.follows("accuracy", accuracies);
  record.follows("test loss", testLosses);
  record.follows("test accuracy", testAccuracies);
  for (const [i, outputs] of logits.entries()) await record.near(`logits ${i}`, outputs);
  await record.near("running mean", (net.layer2[1] as BasicBlock).bn2.runningMean as Tensor);
}
