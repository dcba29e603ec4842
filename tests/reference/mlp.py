"""Golden training run: a 784-128-64-10 perceptron, 30 steps of Adam from PyTorch's initial weights."""

import torch
from torch import nn

from golden import Golden, classification
from training import follow, in_both_precisions

STEPS, BATCH, SEED = 30, 32, 11


def train(dtype):
    """Trains in `dtype`; returns initial weights, losses, first logits, first gradients and final weights."""
    torch.manual_seed(SEED)
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)).to(dtype)
    data, labels = classification(STEPS, BATCH, 784, 10, SEED)
    initial, losses, logits, gradients = follow(model, data.to(torch.float32).to(dtype), labels, lr=1e-3)
    final = {name: value.flatten()[::37] for name, value in model.state_dict().items()}
    return initial, losses, logits, gradients, final


def main():
    """Writes mlp.json and mlp.bin."""
    golden = Golden("mlp")
    initial, losses, *compared = in_both_precisions(train)
    logits, gradients, final = (golden.add_compared(*pair) for pair in compared)
    golden.save(
        steps=STEPS,
        batch=BATCH,
        seed=SEED,
        losses=losses,
        initial=golden.add_all(initial),
        first=logits,
        gradients=gradients,
        finalEvery37=final,
    )


if __name__ == "__main__":
    main()
