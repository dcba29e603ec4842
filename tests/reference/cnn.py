"""Golden training run: a small convolutional net with batch normalization, 30 steps of Adam."""

import torch
from torch import nn

from golden import Golden, classification
from training import follow, in_both_precisions

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
    data, labels = classification(STEPS, BATCH, SIZE * SIZE, 10, SEED)
    data = data.to(torch.float32).to(dtype).reshape(STEPS, BATCH, 1, SIZE, SIZE)
    initial, losses, _, gradients = follow(model, data, labels, lr=1e-3)
    model.eval()
    with torch.no_grad():
        logits = {"logits": model(data[0])}
    return initial, losses, gradients, model.state_dict(), logits


def main():
    """Writes cnn.json and cnn.bin."""
    golden = Golden("cnn")
    initial, losses, *compared = in_both_precisions(train)
    gradients, final, logits = (golden.add_compared(*pair) for pair in compared)
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
