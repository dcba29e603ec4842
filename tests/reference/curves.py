"""Golden training runs of sequence classifiers, 30 steps of Adam each: an LSTM and a Transformer encoder."""

import functools

import torch
from torch import nn

from golden import Golden, classification
from training import follow, in_both_precisions

STEPS, BATCH, LENGTH, WIDTH = 30, 16, 8, 6


class Recurrent(nn.Module):
    """Two LSTM layers in both directions; the last states decide."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(WIDTH, 12, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(24, 4)

    def forward(self, x):
        _, (h, _) = self.lstm(x)
        return self.head(torch.cat([h[2], h[3]], 1))


class Transformer(nn.Module):
    """Two encoder layers with the norm first; the mean over the sequence decides."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(WIDTH, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(16))
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        return self.head(self.encoder(self.embed(x)).mean(1))


def train(build, seed, dtype):
    """Trains in `dtype`; returns the initial state, the losses and the first gradients."""
    torch.manual_seed(seed)
    model = build().to(dtype)
    data, labels = classification(STEPS, BATCH, LENGTH * WIDTH, 4, seed)
    data = data.to(torch.float32).to(dtype).reshape(STEPS, BATCH, LENGTH, WIDTH)
    initial, losses, _, gradients = follow(model, data, labels, lr=1e-2)
    return initial, losses, gradients


def main():
    """Writes curve-lstm and curve-transformer."""
    for name, build, seed in (("lstm", Recurrent, 31), ("transformer", Transformer, 32)):
        golden = Golden(f"curve-{name}")
        initial, losses, gradients = in_both_precisions(functools.partial(train, build, seed))
        golden.save(
            steps=STEPS,
            batch=BATCH,
            length=LENGTH,
            width=WIDTH,
            seed=seed,
            losses=losses,
            initial=golden.add_all(initial),
            gradients=golden.add_compared(*gradients),
        )


if __name__ == "__main__":
    main()
