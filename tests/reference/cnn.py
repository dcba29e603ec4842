"""Golden training run: a small convolutional net with batch normalization, 30 steps of Adam."""

import torch
from torch import nn
from torch.nn import functional as F

from golden import Golden, classification

STEPS, BATCH, SIZE, SEED = 30, 16, 14, 23


def train(dtype):
    """Trains in `dtype`; returns initial state, losses, first gradients, final state and eval logits."""
    torch.manual_seed(SEED)
    # No bias before a batch normalization: its gradient is rounding noise, which Adam would amplify.
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 3 * 3, 10),
    ).to(dtype)
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    data, labels = classification(STEPS, BATCH, SIZE * SIZE, 10, SEED)
    data = data.to(torch.float32).to(dtype).reshape(STEPS, BATCH, 1, SIZE, SIZE)
    losses, gradients = [], {}
    for x, y in zip(data, labels):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        if not losses:
            gradients = {name: value.grad.clone() for name, value in model.named_parameters()}
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        logits = {"logits": model(data[0])}
    return initial, losses, gradients, model.state_dict(), logits


def main():
    """Writes cnn.json and cnn.bin."""
    golden = Golden("cnn")
    initial, losses, *single = train(torch.float32)
    _, exact_losses, *exact = train(torch.float64)
    spread = max(abs(a - b) / b for a, b in zip(losses, exact_losses))
    assert spread < 1e-4, f"the run is too unstable to compare with: {spread}"
    gradients, final, logits = (golden.add_compared(*pair) for pair in zip(single, exact))
    golden.save(
        steps=STEPS,
        batch=BATCH,
        size=SIZE,
        seed=SEED,
        losses=losses,
        initial=golden.add_all(initial),
        gradients=gradients,
        final=final,
        eval=logits,
    )


if __name__ == "__main__":
    main()
