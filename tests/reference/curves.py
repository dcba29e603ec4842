"""Golden training runs of sequence classifiers, 30 steps of Adam each: an LSTM and a Transformer encoder."""

import torch
from torch import nn
from torch.nn import functional as F

from golden import Golden, classification

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
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    data, labels = classification(STEPS, BATCH, LENGTH * WIDTH, 4, seed)
    data = data.to(torch.float32).to(dtype).reshape(STEPS, BATCH, LENGTH, WIDTH)
    losses, gradients = [], {}
    for x, y in zip(data, labels):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        if not losses:
            gradients = {name: value.grad.clone() for name, value in model.named_parameters()}
        optimizer.step()
        losses.append(loss.item())
    return initial, losses, gradients


def main():
    """Writes curve-lstm and curve-transformer."""
    for name, build, seed in (("lstm", Recurrent, 31), ("transformer", Transformer, 32)):
        golden = Golden(f"curve-{name}")
        initial, losses, single = train(build, seed, torch.float32)
        _, exact_losses, exact = train(build, seed, torch.float64)
        spread = max(abs(a - b) / b for a, b in zip(losses, exact_losses))
        assert spread < 1e-4, f"the run is too unstable to compare with: {spread}"
        print(f"{name}: loss {losses[0]:.3f} to {losses[-1]:.3f}, f32 and f64 differ by {spread:.1e}")
        golden.save(
            steps=STEPS,
            batch=BATCH,
            length=LENGTH,
            width=WIDTH,
            seed=seed,
            losses=losses,
            initial=golden.add_all(initial),
            gradients=golden.add_compared(single, exact),
        )


if __name__ == "__main__":
    main()
