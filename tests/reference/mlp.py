"""Golden training run: a 784-128-64-10 perceptron, 30 steps of Adam from PyTorch's initial weights."""

import torch
from torch import nn
from torch.nn import functional as F

from golden import Golden, classification

STEPS, BATCH, SEED = 30, 32, 11


def train(dtype):
    """Trains in `dtype`; returns initial weights, losses, first logits, first gradients and final weights."""
    torch.manual_seed(SEED)
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)).to(dtype)
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    data, labels = classification(STEPS, BATCH, 784, 10, SEED)
    losses, logits, gradients = [], {}, {}
    for x, y in zip(data.to(torch.float32).to(dtype), labels):
        optimizer.zero_grad()
        output = model(x)
        loss = F.cross_entropy(output, y)
        loss.backward()
        if not losses:
            logits = {"logits": output.detach().clone()}
            gradients = {name: value.grad.clone() for name, value in model.named_parameters()}
        optimizer.step()
        losses.append(loss.item())
    final = {name: value.flatten()[::37] for name, value in model.state_dict().items()}
    return initial, losses, logits, gradients, final


def main():
    """Writes mlp.json and mlp.bin."""
    golden = Golden("mlp")
    initial, losses, *single = train(torch.float32)
    _, exact_losses, *exact = train(torch.float64)
    spread = max(abs(a - b) / b for a, b in zip(losses, exact_losses))
    assert spread < 1e-4, f"the run is too unstable to compare with: {spread}"
    logits, gradients, final = (golden.add_compared(*pair) for pair in zip(single, exact))
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
