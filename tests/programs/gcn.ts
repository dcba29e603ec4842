// A graph convolutional network (Kipf and Welling 2017) with messages along edges, as in PyTorch Geometric's tutorial.

import { nllLoss, nn, ones, optim, stack, type Tensor, zeros, zerosLike } from "../../src/index.ts";
import { numbers, type ProgramRecord } from "../support/programs.ts";

class GCNConv extends nn.Module {
  lin: nn.Linear;
  bias: Tensor;

  constructor(inChannels: number, outChannels: number) {
    super();
    this.lin = new nn.Linear(inChannels, outChannels, { bias: false });
    this.bias = new nn.Parameter(zeros([outChannels]));
  }

  override forward(input: Tensor, edgeIndex: Tensor): Tensor {
    const [row, col] = edgeIndex.unbind() as [Tensor, Tensor];
    const x = this.lin.forward(input);
    const degree = zeros([x.shape[0] as number]).indexAdd(0, col, ones(col.shape));
    const inverse = degree.pow(-0.5);
    const norm = inverse.indexSelect(0, row).mul(inverse.indexSelect(0, col));
    const messages = norm.view([-1, 1]).mul(x.indexSelect(0, row));
    return zerosLike(x).indexAdd(0, col, messages).add(this.bias);
  }
}

class GCN extends nn.Module {
  conv1 = new GCNConv(8, 12);
  conv2 = new GCNConv(12, 3);

  override forward(input: Tensor, edgeIndex: Tensor, keep?: Tensor): Tensor {
    let x = this.conv1.forward(input, edgeIndex).relu();
    if (this.training && keep !== undefined) x = x.mul(keep).mul(2);
    return this.conv2.forward(x, edgeIndex).logSoftmax(1);
  }
}

export async function gcn(record: ProgramRecord): Promise<void> {
  const [x, y, edges, keep] = ["x", "y", "edges", "keep"].map(record.data) as [Tensor, Tensor, Tensor, Tensor];
  const [train, val, test] = ["train", "val", "test"].map(record.data) as [Tensor, Tensor, Tensor];
  const model = record.load(new GCN());
  const optimizer = new optim.Adam(model.parameters(), { lr: 0.02, weightDecay: 5e-4 });
  const accuracy = (output: Tensor, mask: Tensor): Tensor =>
    output.argmax(1).indexSelect(0, mask).eq(y.indexSelect(0, mask)).to("f32").mean();

  const losses: Tensor[] = [];
  const valLosses: Tensor[] = [];
  const accuracies: Tensor[] = [];
  for (let epoch = 0; epoch < 10; epoch++) {
    model.train();
    optimizer.zeroGrad();
    let output = model.forward(x, edges, keep.select(0, epoch));
    const lossTrain = nllLoss(output.indexSelect(0, train), y.indexSelect(0, train));
    lossTrain.backward();
    optimizer.step();

    model.eval();
    output = model.forward(x, edges);
    const lossVal = nllLoss(output.indexSelect(0, val), y.indexSelect(0, val));
    losses.push(lossTrain.detach());
    valLosses.push(lossVal.detach());
    accuracies.push(accuracy(output, val));
  }

  record.follows("train", await numbers(losses));
  record.follows("val", await numbers(valLosses));
  await record.near("accuracies", stack(accuracies));
  const output = model.forward(x, edges);
  await record.near("output", output);
  await record.near("test", accuracy(output, test));
}
