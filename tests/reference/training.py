"""Training runs of golden files: Adam on the batches of a classification, in f32 and once more in f64."""

import torch
from torch.nn import functional as F


def follow(model, data, labels, lr):
    """Takes an Adam step on each batch; returns the initial state, the losses, and the first logits and gradients."""
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    losses, logits, gradients = [], {}, {}
    for x, y in zip(data, labels):
        optimizer.zero_grad()
        output = model(x)
        loss = F.cross_entropy(output, y)
        loss.backward()
        if not losses:
            logits = {"logits": output.detach().clone()}
            gradients = {name: value.grad.clone() for name, value in model.named_parameters()}
        optimizer.step()
        losses.append(loss.item())
    return initial, losses, logits, gradients


def in_both_precisions(train):
    """Runs `train(dtype)`, which returns an initial state, losses and dicts of tensors, in f32 and in f64.

    Returns the state and the losses of f32, then each dict as a pair (f32, f64) for `Golden.add_compared`.
    """
    initial, losses, *single = train(torch.float32)
    _, exact_losses, *exact = train(torch.float64)
    spread = max(abs(a - b) / b for a, b in zip(losses, exact_losses))
    assert spread < 1e-4, f"the run is too unstable to compare with: {spread}"
    print(f"loss {losses[0]:.3f} to {losses[-1]:.3f}, f32 and f64 differ by {spread:.1e}")
    return initial, losses, *zip(single, exact)
