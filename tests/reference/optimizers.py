"""Ten steps of PyTorch's optimizers in float64 on a quadratic: data/optimizers.json."""

import json
import pathlib

import torch

FOLDER = pathlib.Path(__file__).parent / "data"
START = [[0.7, -1.2, 0.4], [1.5, -0.3, 0.9, -2.0]]
TARGET = [[-0.5, 0.25, 1.0], [0.1, 0.6, -0.8, 0.35]]
CURVATURE = [[1.0, 0.3, 2.5], [0.05, 1.7, 0.6, 1.2]]

CASES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weightDecay": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.8, "dampening": 0.3}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weightDecay": 0.01}),
    ("SGD", {"lr": 0.02, "momentum": 0.5, "maximize": True}),
    ("Adam", {"lr": 0.05}),
    ("Adam", {"lr": 0.1, "betas": [0.8, 0.95], "eps": 1e-6, "weightDecay": 0.1, "amsgrad": True}),
    ("AdamW", {"lr": 0.05}),
    ("AdamW", {"lr": 0.05, "weightDecay": 0.3, "amsgrad": True, "maximize": True}),
    ("NAdam", {"lr": 0.05}),
    ("NAdam", {"lr": 0.02, "betas": [0.8, 0.99], "weightDecay": 0.1, "momentumDecay": 0.05}),
    ("RAdam", {"lr": 0.05}),
    ("RAdam", {"lr": 0.03, "betas": [0.8, 0.9], "weightDecay": 0.1}),
    ("RMSprop", {"lr": 0.02}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.9, "momentum": 0.7, "centered": True, "weightDecay": 0.05, "eps": 1e-3}),
    ("Adagrad", {"lr": 0.2}),
    ("Adagrad", {"lr": 0.2, "lrDecay": 0.1, "weightDecay": 0.05, "initialAccumulatorValue": 0.5}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.8, "eps": 1e-3, "weightDecay": 0.1}),
    ("Adamax", {"lr": 0.05}),
    ("Adamax", {"lr": 0.05, "betas": [0.7, 0.9], "weightDecay": 0.1, "eps": 1e-4}),
]


def snake(options):
    return {"".join("_" + c.lower() if c.isupper() else c for c in key): value for key, value in options.items()}


targets = [torch.tensor(t, dtype=torch.float64) for t in TARGET]
curvatures = [torch.tensor(c, dtype=torch.float64) for c in CURVATURE]
cases = []
for name, options in CASES:
    params = [torch.nn.Parameter(torch.tensor(p, dtype=torch.float64)) for p in START]
    # PyTorch 1.13's NAdam multiplies by mu twice unless told foreach (corrected in 2.0).
    extra = {"foreach": True} if name == "NAdam" else {}
    optimizer = getattr(torch.optim, name)(params, **snake(options), **extra)
    rows = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = sum((c * (p - t) ** 2).sum() / 2 for p, t, c in zip(params, targets, curvatures))
        loss.backward()
        optimizer.step()
        rows.append([x for p in params for x in p.tolist()])
    cases.append({"name": name, "options": options, "rows": rows})

lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
(FOLDER / "optimizers.json").write_text(
    f'{{"torch":{json.dumps(torch.__version__)},"start":{START},"target":{TARGET},"curvature":{CURVATURE},"cases":[\n{lines}\n]}}\n'
)
