"""Op cases: a call by wgrad's names with PyTorch's float64 answer, tolerances and gradients."""

import math
import re

import torch
from torch.nn import functional as F

from golden import Golden, encode

RELATIVE = 1e-5

OMIT = object()
"""Stands in a list argument where JavaScript leaves a hole: `slice([, 3])`."""


def snake(name):
    """Returns PyTorch's spelling of a camelCase name."""
    return re.sub(r"(?<!^)([A-Z])", lambda match: "_" + match[1].lower(), name)


def camel(name):
    """Returns wgrad's spelling of a snake_case name."""
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def find(op):
    """Returns the PyTorch function of the same name."""
    for place in (F, torch, torch.Tensor):
        if hasattr(place, snake(op)):
            return getattr(place, snake(op))
    raise LookupError(f"{op}: PyTorch has no {snake(op)}; give `by`")


def flatten(result):
    """Returns [(path, tensor)]: the path is None, a field name or a position."""
    if isinstance(result, torch.Tensor):
        return [(None, result)]
    if isinstance(result, dict):
        return list(result.items())
    return list(enumerate(result))


def error_of(single, exact, lenient):
    """Returns the absolute tolerance that PyTorch's own f32 error suggests, and the values to expect.

    An element passes when |got - expected| <= absolute + RELATIVE * |expected|; absolute is four times what f32 needs
    beyond the relative part, and at least 1e-6 of the middle magnitude.
    """
    expected = exact.to(torch.float32)
    same = (single == expected) | (single.isnan() & expected.isnan())
    finite = single.isfinite() & expected.isfinite()
    if not lenient and not bool((same | finite).all()):
        raise ValueError(f"f32 and f64 disagree beyond rounding:\n{single}\n{exact}")
    magnitude = exact[finite & (exact != 0)].abs()
    scale = magnitude.median().item() if magnitude.numel() else 0.0
    excess = ((single.double() - exact).abs() - RELATIVE * exact.abs())[finite & ~same]
    excess = max(excess.max().item(), 0.0) if excess.numel() else 0.0
    if not lenient and excess > 1e-3 * max(scale, 0.01):
        raise ValueError(f"f32 is far from f64: {excess} at scale {scale}:\n{single}\n{exact}")
    return float(f"{4 * excess + 1e-6 * scale:.2g}"), expected


class Suite:
    """The cases of one topic."""

    def __init__(self, topic):
        self.golden = Golden(f"ops-{topic}")
        self.cases = []
        self._generator = torch.Generator().manual_seed(20)

    def randn(self, *shape):
        """Returns normal numbers, the next ones of this suite."""
        return torch.randn(shape, generator=self._generator)

    def uniform(self, low, high, *shape):
        """Returns numbers between low and high."""
        return low + (high - low) * torch.rand(shape, generator=self._generator)

    def integers(self, low, high, *shape):
        """Returns integers from low to high - 1."""
        return torch.randint(low, high, shape, generator=self._generator)

    def case(self, op, *args, by=None, note=None, gradient=True, trust=None, **options):
        """Records `op(...args, options)`.

        args may hold tensors, lists with tensors and literals; options are PyTorch's names. `by` computes the reference
        when PyTorch spells the call differently. `gradient` may be False, or the numbers of the inputs to derive by.
        Where PyTorch's f32 and f64 results differ beyond rounding, `trust` says which is right: "f32" (a limit of the
        type) or "f64".
        """
        function = by or find(op)
        record = {"op": op}
        if note:
            record["note"] = note
        inputs = []
        record["args"] = [self._encode(arg, inputs) for arg in args]
        if options:
            record["options"] = {camel(key): self._encode(value, inputs) for key, value in options.items()}
        record["inputs"] = [self.golden.add(tensor) for tensor in inputs]
        try:
            self._answer(record, function, args, options, inputs, gradient, trust)
        except Exception as error:
            raise ValueError(f"case {len(self.cases)}, {op} {note or ''}: {error}") from error
        self.cases.append(record)

    def save(self):
        """Writes the golden file."""
        self.golden.save(relative=RELATIVE, cases=self.cases)
        print(f"  {len(self.cases)} cases")

    def _encode(self, value, inputs):
        if isinstance(value, torch.Tensor):
            inputs.append(value)
            return {"input": len(inputs) - 1}
        if value is OMIT:
            return {"omit": True}
        if isinstance(value, (list, tuple)):
            return [self._encode(item, inputs) for item in value]
        return encode(value)

    def _answer(self, record, function, args, options, inputs, gradient, trust):
        derived = gradient if isinstance(gradient, tuple) else range(len(inputs) if gradient else 0)
        runs = []
        for dtype in (torch.float32, torch.float32 if trust == "f32" else torch.float64):
            copies = [
                tensor.clone().to(dtype).requires_grad_(number in derived) if tensor.is_floating_point() else tensor
                for number, tensor in enumerate(inputs)
            ]
            remaining = iter(copies)
            outputs = flatten(
                function(
                    *[replace(arg, remaining) for arg in args],
                    **{key: replace(value, remaining) for key, value in options.items()},
                )
            )
            differentiable = [output for _, output in outputs if output.requires_grad]
            weights = [self._output_gradient(output) for output in differentiable]
            wanted = [tensor for tensor in copies if tensor.requires_grad] if differentiable else []
            gradients = torch.autograd.grad(differentiable, wanted, weights, allow_unused=True) if wanted else []
            found = {id(tensor): value for tensor, value in zip(wanted, gradients) if value is not None}
            runs.append((outputs, [found.get(id(tensor)) for tensor in copies]))
        (singles, single_gradients), (exacts, exact_gradients) = runs
        record["outputs"] = []
        for (path, low), (_, high) in zip(singles, exacts):
            entry = {} if path is None else {"path": path}
            entry.update(self._expect(low.detach(), high.detach(), trust))
            if high.requires_grad:
                entry["gradient"] = self.golden.add(self._output_gradient(high))
            record["outputs"].append(entry)
        entries = [
            {"input": number, **self._expect(low, high, trust)}
            for number, (low, high) in enumerate(zip(single_gradients, exact_gradients))
            if high is not None
        ]
        if entries:
            record["gradients"] = entries

    def _expect(self, single, exact, trust):
        if not exact.is_floating_point():
            return {"array": self.golden.add(exact)}
        absolute, expected = error_of(single, exact, trust == "f64")
        return {"array": self.golden.add(expected), "absolute": absolute}

    def _output_gradient(self, output):
        generator = torch.Generator().manual_seed(len(output.shape) + output.numel())
        return (torch.randn(output.shape, generator=generator) * 64).round().div(64).to(output.dtype)


def replace(value, remaining):
    """Returns `value` with its tensors replaced, in order, by the next ones of `remaining`."""
    if isinstance(value, torch.Tensor):
        return next(remaining)
    if isinstance(value, (list, tuple)):
        return [replace(item, remaining) for item in value]
    return value


INF = math.inf
NAN = math.nan
