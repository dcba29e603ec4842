"""PyTorch's layers and losses with their state, outputs and gradients: data/layers.json and .bin."""

import torch

from golden import Golden

torch.manual_seed(5)
golden = Golden("layers")


def snake(options):
    return {"".join("_" + c.lower() if c.isupper() else c for c in key): value for key, value in options.items()}


def plain(tensor):
    return golden.add(tensor.clone())


def normal(*shape):
    return (torch.randn(shape) * 64).round() / 64


def probabilities(*shape):
    return torch.rand(shape) * 0.9 + 0.05


def signs(*shape):
    return torch.randint(0, 2, shape).float() * 2 - 1


X2 = normal(5, 6)
IMAGE = normal(2, 4, 7, 6)
CLASSES = torch.randint(0, 6, (5,))
CTC = [
    torch.log_softmax(normal(6, 3, 4), 2),
    torch.tensor([[1, 1, 3], [3, 1, 0], [3, 0, 0]]),
    torch.tensor([6, 5, 6]),
    torch.tensor([3, 2, 1]),
]

# name, positional arguments, options, inputs (those of floats get gradients), training
CASES = [
    ("Linear", [6, 3], {}, [X2], True),
    ("Linear", [6, 3], {"bias": False}, [normal(2, 3, 6)], True),
    ("Bilinear", [6, 4, 3], {}, [X2, normal(5, 4)], True),
    ("Conv2d", [4, 3, 3], {}, [IMAGE], True),
    ("Conv2d", [4, 6, [3, 2]], {"stride": [2, 1], "padding": [1, 2], "dilation": [1, 2], "groups": 2}, [IMAGE], True),
    ("Conv2d", [4, 2, 4], {"padding": "same", "bias": False}, [IMAGE], True),
    ("Conv2d", [4, 2, 3], {"padding": 1, "paddingMode": "reflect"}, [IMAGE], True),
    ("Conv2d", [4, 2, 3], {"padding": [1, 2], "paddingMode": "replicate"}, [IMAGE], True),
    ("Conv2d", [4, 2, 3], {"padding": 1, "paddingMode": "circular"}, [IMAGE], True),
    ("Conv1d", [4, 3, 3], {"padding": 1, "stride": 2}, [normal(2, 4, 9)], True),
    ("Conv3d", [2, 3, 2], {"padding": 1}, [normal(2, 2, 4, 3, 5)], True),
    ("ConvTranspose1d", [4, 3, 3], {"stride": 2, "padding": 1, "outputPadding": 1}, [normal(2, 4, 5)], True),
    ("ConvTranspose1d", [4, 2, 2], {"bias": False, "dilation": 2}, [normal(4, 5)], True),
    ("ConvTranspose2d", [4, 3, 3], {}, [IMAGE], True),
    (
        "ConvTranspose2d",
        [4, 6, [3, 2]],
        {"stride": [2, 1], "padding": [1, 0], "outputPadding": [1, 0], "groups": 2, "dilation": [1, 2]},
        [IMAGE],
        True,
    ),
    ("BatchNorm1d", [6], {}, [X2], True),
    ("BatchNorm1d", [6], {}, [X2], False),
    ("BatchNorm1d", [4], {"momentum": None, "eps": 0.01}, [normal(3, 4, 5)], True),
    ("BatchNorm1d", [6], {"affine": False, "trackRunningStats": False}, [X2], False),
    ("BatchNorm2d", [4], {"momentum": 0.3}, [IMAGE], True),
    ("BatchNorm2d", [4], {"affine": False}, [IMAGE], False),
    ("LayerNorm", [6], {}, [X2], True),
    ("LayerNorm", [[7, 6]], {"elementwiseAffine": False, "eps": 0.01}, [IMAGE], True),
    ("GroupNorm", [2, 4], {}, [IMAGE], True),
    ("InstanceNorm2d", [4], {}, [IMAGE], True),
    ("InstanceNorm2d", [4], {"affine": True, "trackRunningStats": True}, [IMAGE], True),
    ("InstanceNorm2d", [4], {"affine": True, "trackRunningStats": True}, [IMAGE], False),
    ("Embedding", [6, 3], {}, [torch.tensor([[0, 2], [5, 2]])], True),
    ("Embedding", [6, 3], {"paddingIdx": 2}, [torch.tensor([[0, 2], [5, 2]])], True),
    ("Embedding", [6, 3], {"maxNorm": 1.1}, [torch.tensor([[0, 2], [5, 2]])], True),
    ("Embedding", [6, 3], {"maxNorm": 1.0, "normType": 1.0}, [torch.tensor([4, 1])], True),
    ("Dropout", [0.5], {}, [X2], False),
    ("Dropout2d", [0.5], {}, [IMAGE], False),
    ("Flatten", [], {}, [IMAGE], True),
    ("Flatten", [], {"startDim": 0, "endDim": 2}, [IMAGE], True),
    ("Unflatten", [1, [2, 3]], {}, [X2], True),
    ("Identity", [], {}, [X2], True),
    ("MaxPool1d", [2], {}, [normal(2, 3, 9)], True),
    ("MaxPool2d", [2], {}, [IMAGE], True),
    ("MaxPool2d", [3], {"stride": 2, "padding": 1, "ceilMode": True}, [IMAGE], True),
    ("MaxPool2d", [2], {"stride": 1, "dilation": 2}, [IMAGE], True),
    ("AvgPool1d", [3], {"stride": 2}, [normal(2, 3, 9)], True),
    ("AvgPool2d", [2], {}, [IMAGE], True),
    ("AvgPool2d", [3], {"stride": 2, "padding": 1, "countIncludePad": False}, [IMAGE], True),
    ("AvgPool2d", [3], {"stride": 2, "padding": 1, "divisorOverride": 5}, [IMAGE], True),
    ("AdaptiveAvgPool1d", [4], {}, [normal(2, 3, 9)], True),
    ("AdaptiveAvgPool2d", [[3, 2]], {}, [IMAGE], True),
    ("AdaptiveAvgPool2d", [1], {}, [IMAGE], True),
    ("Upsample", [], {"scaleFactor": 2}, [IMAGE], True),
    ("Upsample", [], {"size": [9, 10], "mode": "bilinear"}, [IMAGE], True),
    ("Upsample", [], {"scaleFactor": 2, "mode": "bilinear", "alignCorners": True}, [IMAGE], True),
    ("PixelShuffle", [2], {}, [IMAGE], True),
    ("ZeroPad2d", [[1, 2, 0, 3]], {}, [IMAGE], True),
    ("ReLU", [], {}, [X2], True),
    ("ReLU6", [], {}, [X2 * 5], True),
    ("LeakyReLU", [], {}, [X2], True),
    ("LeakyReLU", [], {"negativeSlope": 0.2}, [X2], True),
    ("RReLU", [], {}, [X2], False),
    ("RReLU", [], {"lower": 0.25, "upper": 0.25}, [X2], True),
    ("ELU", [], {"alpha": 0.7}, [X2], True),
    ("SELU", [], {}, [X2], True),
    ("CELU", [], {"alpha": 0.7}, [X2], True),
    ("GELU", [], {}, [X2], True),
    ("GELU", [], {"approximate": "tanh"}, [X2], True),
    ("SiLU", [], {}, [X2], True),
    ("Mish", [], {}, [X2], True),
    ("Softplus", [], {}, [X2], True),
    ("Softplus", [], {"beta": 2.0, "threshold": 1.0}, [X2], True),
    ("Softsign", [], {}, [X2], True),
    ("Hardtanh", [], {}, [X2], True),
    ("Hardtanh", [], {"minVal": -0.3, "maxVal": 0.4}, [X2], True),
    ("Hardsigmoid", [], {}, [X2 * 4], True),
    ("Hardswish", [], {}, [X2 * 4], True),
    ("Hardshrink", [], {"lambd": 0.7}, [X2], True),
    ("Softshrink", [], {"lambd": 0.7}, [X2], True),
    ("Tanhshrink", [], {}, [X2], True),
    ("Threshold", [0.1, -7.0], {}, [X2], True),
    ("PReLU", [], {}, [X2], True),
    ("PReLU", [], {"numParameters": 4, "init": 0.1}, [IMAGE], True),
    ("GLU", [], {}, [X2], True),
    ("Sigmoid", [], {}, [X2], True),
    ("LogSigmoid", [], {}, [X2], True),
    ("Tanh", [], {}, [X2], True),
    ("Softmax", [1], {}, [X2], True),
    ("Softmax2d", [], {}, [IMAGE], True),
    ("LogSoftmax", [-1], {}, [X2], True),
    ("Softmin", [0], {}, [X2], True),
    ("MSELoss", [], {}, [X2, normal(5, 6)], True),
    ("MSELoss", [], {"reduction": "none"}, [X2, normal(5, 6)], True),
    ("L1Loss", [], {"reduction": "sum"}, [X2, normal(5, 6)], True),
    ("SmoothL1Loss", [], {"beta": 0.5}, [X2, normal(5, 6)], True),
    ("HuberLoss", [], {"delta": 0.5}, [X2, normal(5, 6)], True),
    ("BCELoss", [], {}, [probabilities(5, 6), probabilities(5, 6)], True),
    ("BCEWithLogitsLoss", [], {}, [X2, probabilities(5, 6)], True),
    ("NLLLoss", [], {}, [torch.log_softmax(X2, 1), CLASSES], True),
    ("NLLLoss", [], {"ignoreIndex": int(CLASSES[0])}, [torch.log_softmax(X2, 1), CLASSES], True),
    ("CrossEntropyLoss", [], {}, [X2, CLASSES], True),
    ("CrossEntropyLoss", [], {"labelSmoothing": 0.1, "reduction": "none"}, [X2, CLASSES], True),
    ("CrossEntropyLoss", [], {"ignoreIndex": int(CLASSES[1]), "reduction": "sum"}, [X2, CLASSES], True),
    ("CrossEntropyLoss", [], {}, [X2, torch.softmax(normal(5, 6), 1)], True),
    ("CrossEntropyLoss", [], {}, [IMAGE, torch.randint(0, 4, (2, 7, 6))], True),
    ("CTCLoss", [], {"blank": 2}, CTC, True),
    ("CTCLoss", [], {"reduction": "none"}, CTC, True),
    ("KLDivLoss", [], {"reduction": "batchmean"}, [torch.log_softmax(X2, 1), torch.softmax(normal(5, 6), 1)], True),
    ("KLDivLoss", [], {"logTarget": True}, [torch.log_softmax(X2, 1), torch.log_softmax(normal(5, 6), 1)], True),
    ("PoissonNLLLoss", [], {"full": True}, [X2, torch.randint(0, 5, (5, 6)).float()], True),
    ("GaussianNLLLoss", [], {"full": True}, [X2, normal(5, 6), probabilities(5, 6)], True),
    ("HingeEmbeddingLoss", [], {}, [X2, signs(5, 6)], True),
    ("CosineEmbeddingLoss", [], {"margin": 0.1}, [X2, normal(5, 6), signs(5)], True),
    ("MarginRankingLoss", [], {"margin": 0.1}, [X2, normal(5, 6), signs(5, 6)], True),
    ("TripletMarginLoss", [], {"swap": True}, [X2, normal(5, 6), normal(5, 6)], True),
]
# weight tensors that losses take as options
WEIGHTED = [
    ("BCELoss", {"weight": probabilities(6)}, [probabilities(5, 6), probabilities(5, 6)]),
    ("BCEWithLogitsLoss", {"posWeight": probabilities(6) * 3, "weight": probabilities(5, 6)}, [X2, probabilities(5, 6)]),
    ("NLLLoss", {"weight": probabilities(6)}, [torch.log_softmax(X2, 1), CLASSES]),
    ("CrossEntropyLoss", {"weight": probabilities(6)}, [X2, CLASSES]),
]


def run(name, arguments, options, inputs, training, tensors):
    layer = getattr(torch.nn, name)(*arguments, **snake(options), **snake(tensors)).train(training)
    for key, value in layer.state_dict().items():
        if key in {"weight", "bias", "running_mean"} and value.is_floating_point() and not tensors:
            value.copy_(normal(*value.shape))
        if key == "running_var":
            value.copy_(probabilities(*value.shape))
        if key == "num_batches_tracked":
            value.fill_(3)
    before = {key: plain(value.clone()) for key, value in layer.state_dict().items()}
    first, *others = [value.clone() for value in inputs]
    if first.is_floating_point():
        first.requires_grad_()
    output = layer(first, *others)
    weights = normal(*output.shape)
    (output * weights).sum().backward()
    after = layer.state_dict()
    return {
        "name": name,
        "arguments": arguments,
        "options": options,
        "tensors": {key: plain(value) for key, value in tensors.items()},
        "training": training,
        "state": before,
        "inputs": [plain(value) for value in inputs],
        "weights": plain(weights),
        "output": plain(output),
        "inputGradient": plain(first.grad) if first.is_floating_point() else None,
        "gradients": {key: plain(value.grad) for key, value in layer.named_parameters()},
        "buffers": {key: plain(after[key]) for key, _ in layer.named_buffers() if not tensors},
    }


cases = [run(*case, {}) for case in CASES]
cases += [run(name, [], {}, inputs, True, tensors) for name, tensors, inputs in WEIGHTED]
UNBATCHED = normal(4, 7, 6)
REPEATED = torch.tensor([[0, 2, 2], [5, 2, 0]])
cases += [
    run("InstanceNorm2d", [4], {}, [UNBATCHED], True, {}),
    run("InstanceNorm2d", [4], {"affine": True, "trackRunningStats": True}, [UNBATCHED], True, {}),
    run("InstanceNorm2d", [4], {"affine": True, "trackRunningStats": True}, [UNBATCHED], False, {}),
    run("Embedding", [6, 3], {"scaleGradByFreq": True}, [REPEATED], True, {}),
    run("Embedding", [6, 3], {"scaleGradByFreq": True, "paddingIdx": 2}, [REPEATED], True, {}),
]
golden.save(cases=cases)
