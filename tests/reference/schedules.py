"""Learning rates (and momenta) of PyTorch's schedules over epochs: data/schedules.json."""

import json
import pathlib

import torch
from torch.optim import lr_scheduler as lr

FOLDER = pathlib.Path(__file__).parent / "data"
METRICS = [1.0, 0.9, 0.95, 0.96, 0.899, 0.9, 0.91, 0.92, 0.5, 0.5, 0.5, 0.5, 0.5, 0.49, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6]


def optimizer(kind="SGD"):
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.5}, {"params": [torch.nn.Parameter(torch.zeros(1))]}]
    if kind == "SGD":
        return torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    return torch.optim.Adam(groups, lr=0.1)


def snake(options):
    names = {"TMult": "T_mult"}
    return {
        names.get(key) or "".join("_" + c.lower() if c.isupper() else c for c in key): value
        for key, value in options.items()
    }


CASES = [
    ("StepLR", [3], {"gamma": 0.5}),
    ("StepLR", [4], {}),
    ("MultiStepLR", [[2, 5, 5, 9]], {"gamma": 0.3}),
    ("ExponentialLR", [0.87], {}),
    ("CosineAnnealingLR", [6], {"etaMin": 0.01}),
    ("CosineAnnealingLR", [20], {}),
    ("CosineAnnealingWarmRestarts", [3], {"TMult": 2, "etaMin": 0.001}),
    ("CosineAnnealingWarmRestarts", [4], {}),
    ("LinearLR", [], {}),
    ("LinearLR", [], {"startFactor": 0.2, "endFactor": 0.6, "totalIters": 8}),
    ("LinearLR", [], {"startFactor": 1.0, "endFactor": 0.0, "totalIters": 6}),
    ("OneCycleLR", [1.5], {"totalSteps": 20}),
    ("OneCycleLR", [[1.5, 0.7]], {"epochs": 4, "stepsPerEpoch": 5, "pctStart": 0.4, "annealStrategy": "linear"}),
    ("OneCycleLR", [1.0], {"totalSteps": 20, "threePhase": True, "divFactor": 10.0, "finalDivFactor": 100.0}),
    ("OneCycleLR", [1.0], {"totalSteps": 20, "cycleMomentum": False}),
    ("ReduceLROnPlateau", [], {"factor": 0.5, "patience": 2}),
    ("ReduceLROnPlateau", [], {"factor": 0.2, "patience": 1, "cooldown": 2, "threshold": 0.01, "thresholdMode": "abs"}),
    ("ReduceLROnPlateau", [], {"mode": "max", "factor": 0.5, "patience": 3, "minLr": [0.2, 0.01]}),
]


def record(optim, step, epochs):
    rows = []
    for epoch in range(epochs):
        group = optim.param_groups
        momenta = [g["momentum"] if "momentum" in g else g["betas"][0] for g in group]
        rows.append([*[g["lr"] for g in group], *momenta])
        if epoch < epochs - 1:
            optim.step()
            step(epoch)
    return rows


def sequential(optim):
    schedules = [
        lr.LinearLR(optim, start_factor=0.1, total_iters=4),
        lr.CosineAnnealingLR(optim, T_max=8),
        lr.ExponentialLR(optim, gamma=0.9),
    ]
    return lr.SequentialLR(optim, schedules, milestones=[4, 12])


cases = []
for kind in ["SGD", "Adam"]:
    for name, arguments, options in CASES:
        if kind == "Adam" and name != "OneCycleLR":
            continue
        optim = optimizer(kind)
        schedule = getattr(lr, name)(optim, *arguments, **snake(options))
        plateau = name == "ReduceLROnPlateau"
        rows = record(optim, lambda e: schedule.step(METRICS[e]) if plateau else schedule.step(), 20)
        cases.append({"optimizer": kind, "name": name, "arguments": arguments, "options": options, "rows": rows})

optim = optimizer()
schedule = sequential(optim)
cases.append(
    {"optimizer": "SGD", "name": "SequentialLR", "arguments": [], "options": {}, "rows": record(optim, lambda e: schedule.step(), 20)}
)
optim = optimizer()
schedule = lr.LambdaLR(optim, lambda epoch: 0.95**epoch)
cases.append(
    {"optimizer": "SGD", "name": "LambdaLR", "arguments": [], "options": {}, "rows": record(optim, lambda e: schedule.step(), 20)}
)

lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
(FOLDER / "schedules.json").write_text(
    f'{{"torch":{json.dumps(torch.__version__)},"metrics":{json.dumps(METRICS)},"cases":[\n{lines}\n]}}\n'
)
