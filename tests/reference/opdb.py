"""PyTorch's own op test inputs as golden cases: `opdb.py` writes the committed selection, `opdb.py all` everything to build/opdb.

Every sample of PyTorch's op database (torch.testing's op_db) for float32, int32 and bool of every op that the API names
becomes a call by wgrad's names (opdb_map.py), with PyTorch's results and gradients computed in float64 and rounded, and
tolerances from the error of its own float32.
"""

import json
import math
import pathlib
import random
import sys
import warnings

import numpy
import torch

import expecttest_stub
from cases import OMIT, RELATIVE, flatten
from golden import Golden, encode
from opdb_map import HOLE, MAP, Skip

expecttest_stub.install()

from torch.testing._internal.common_methods_invocations import op_db  # noqa: E402

BUILD = pathlib.Path(__file__).parents[2] / "build" / "opdb"
DTYPES = (torch.float32, torch.int32, torch.bool)
PER_ENTRY = 16
LARGEST = 1500
PLAIN = (torch.float32, torch.int32, torch.int64, torch.bool)


def full_name(info):
    """Returns the name of an entry with its variant."""
    return f"{info.name}.{info.variant_test_name}" if info.variant_test_name else info.name


def tensors_in(value):
    """Yields the tensors in arguments, in order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in(item)


def swapped(value, table):
    """Returns arguments with their tensors replaced by those of `table`, by identity."""
    if isinstance(value, torch.Tensor):
        return table[id(value)]
    if isinstance(value, dict):
        return {key: swapped(item, table) for key, item in value.items()}
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(swapped(item, table) for item in value)
    if isinstance(value, list):
        return [swapped(item, table) for item in value]
    return value


def layout_of(tensor):
    """Returns how a tensor that is no plain memory lies: a permutation of dims, repeated dims, or every second element."""
    if tensor.is_contiguous() or tensor.numel() == 0:
        return None
    strides = tensor.stride()
    repeated = [dim for dim, (size, stride) in enumerate(zip(tensor.shape, strides)) if stride == 0 and size > 1]
    if repeated:
        return {"repeated": repeated}
    order = sorted(range(tensor.dim()), key=lambda dim: (-strides[dim], dim))
    if tensor.permute(order).is_contiguous():
        return {"order": order}
    return {"sliced": True}


def tolerance(single, exact, floor):
    """Returns the absolute tolerance that PyTorch's own float32 error suggests, and the values to expect.

    Where float32 overflows or meets a limit of the type, its result is the right one. `floor` is for what cancels: gradients
    are sums of terms whose size their result doesn't show.
    """
    expected = exact.to(torch.float32)
    both = single.isfinite() & expected.isfinite()
    expected = torch.where(both, expected, single)
    finite = exact[both]
    magnitude = finite[finite != 0].abs()
    scale = magnitude.median().item() if magnitude.numel() else 0.0
    excess = (single[both].double() - finite).abs() - RELATIVE * finite.abs()
    excess = max(excess.max().item(), 0.0) if excess.numel() else 0.0
    return float(f"{4 * excess + 1e-6 * scale + floor:.2g}"), expected


def output_gradient(output):
    """Returns numbers that the results are weighted by, the same ones for results of the same shape."""
    generator = torch.Generator().manual_seed(len(output.shape) + output.numel())
    return (torch.randn(output.shape, generator=generator) * 64).round().div(64).to(output.dtype)


def named(result):
    """Returns [(path, tensor)] of a result; `values` and `indices` have names, lists positions."""
    if type(result).__module__ == "torch.return_types":
        return [(name, getattr(result, name)) for name in ("values", "indices") if hasattr(result, name)]
    return flatten(result)


class Cases:
    """The golden cases of one file."""

    def __init__(self, name):
        self.golden = Golden(name)
        self.records = []

    def add(self, info, mapping, sample, call, wanted):
        """Adds one sample if it is wanted; raises Skip where it says nothing that can be compared."""
        args, options = call
        used = []
        record = {"op": mapping.ours, "torch": full_name(info), "args": [self._encode(arg, used) for arg in args]}
        if options:
            record["options"] = {key: self._encode(value, used) for key, value in options.items()}
        for tensor in used:
            if tensor.dtype not in PLAIN:
                raise Skip(f"a tensor of {tensor.dtype}")
        probe = Cases("probe")
        trial = {**record, "inputs": [probe._input(tensor) for tensor in used]}
        probe._answer(trial, info, mapping, sample, used)
        if not wanted(trial, probe.golden.arrays):
            return
        record["inputs"] = [self._input(tensor) for tensor in used]
        self._answer(record, info, mapping, sample, used)
        self.records.append(record)

    def _input(self, tensor):
        entry = {"array": self.golden.add(tensor)}
        layout = layout_of(tensor)
        return {**entry, **layout} if layout else entry

    def _encode(self, value, used):
        if isinstance(value, torch.Tensor):
            for number, known in enumerate(used):
                if known is value:
                    return {"input": number}
            used.append(value)
            return {"input": len(used) - 1}
        if value is HOLE or value is OMIT:
            return {"omit": True}
        if isinstance(value, (list, tuple, torch.Size)):
            return [self._encode(item, used) for item in value]
        if isinstance(value, (bool, int, float, str, type(None))):
            return encode(value)
        raise Skip(f"an argument of type {type(value).__name__}")

    def _run(self, info, mapping, sample, used, dtype, real=False):
        """Returns outputs and gradients computed in `dtype`; `real` makes that of integers too."""
        everything = list(tensors_in((sample.input, sample.args, sample.kwargs)))
        table = {}
        for tensor in everything:
            copy = tensor.detach().clone()
            if mapping.count_bools and copy.dtype == torch.bool:
                copy = copy.to(torch.int32)
            if real and not copy.is_floating_point():
                copy = copy.to(dtype)
            if tensor.is_floating_point():
                copy = copy.to(dtype).requires_grad_(tensor.requires_grad)
            table[id(tensor)] = copy
        result = info.op(swapped(sample.input, table), *swapped(sample.args, table), **swapped(sample.kwargs, table))
        outputs = named(mapping.out(result) if mapping.out else result)
        for _, output in outputs:
            if not isinstance(output, torch.Tensor):
                raise Skip(f"a result of type {type(output).__name__}")
            if output.is_complex():
                raise Skip("a complex result")
        differentiable = [output for _, output in outputs if output.requires_grad and output.is_floating_point()]
        inputs = [table[id(tensor)] for tensor in used]
        wanted = [tensor for tensor in inputs if tensor.requires_grad] if differentiable else []
        found = {}
        if wanted:
            weights = [output_gradient(output) for output in differentiable]
            gradients = torch.autograd.grad(differentiable, wanted, weights, allow_unused=True)
            found = {id(tensor): value for tensor, value in zip(wanted, gradients) if value is not None}
        return outputs, [found.get(id(tensor)) for tensor in inputs]

    def _answer(self, record, info, mapping, sample, used):
        singles, single_gradients = self._run(info, mapping, sample, used, torch.float32)
        exacts, exact_gradients = self._run(info, mapping, sample, used, torch.float64)
        if not any(tensor.is_floating_point() for tensor in used) and singles[0][1].is_floating_point():
            exacts = self._of_integers(info, mapping, sample, used, singles)
        record["outputs"] = []
        for (path, low), (_, high) in zip(singles, exacts):
            entry = {} if path is None else {"path": path}
            entry.update(self._expect(low.detach(), high.detach(), 0.0))
            if high.requires_grad and high.is_floating_point():
                entry["gradient"] = self.golden.add(output_gradient(high))
            record["outputs"].append(entry)
        entries = [
            {"input": number, **self._expect(low, high, 1e-6)}
            for number, (low, high) in enumerate(zip(single_gradients, exact_gradients))
            if high is not None
        ]
        if entries:
            record["gradients"] = entries

    def _of_integers(self, info, mapping, sample, used, singles):
        """Returns float results of integers in float64, where the op means the same for both."""
        try:
            exacts, _ = self._run(info, mapping, sample, used, torch.float64, real=True)
        except (RuntimeError, IndexError, TypeError, ValueError):
            return singles
        for (_, low), (_, high) in zip(singles, exacts):
            if low.shape != high.shape or not torch.allclose(low.double(), high.double(), 1e-3, 1e-3, equal_nan=True):
                return singles
        return exacts

    def _expect(self, single, exact, floor):
        if single.is_sparse:
            single, exact = single.to_dense(), exact.to_dense()
        if not exact.is_floating_point():
            if single.dtype not in PLAIN:
                raise Skip(f"a result of {single.dtype}")
            return {"array": self.golden.add(single)}
        absolute, expected = tolerance(single, exact, floor)
        return {"array": self.golden.add(expected), "absolute": absolute}


def seed():
    """Starts all generators that samples come from."""
    random.seed(0)
    numpy.random.seed(0)
    torch.manual_seed(0)


def samples_of(info, dtype):
    """Returns the samples of an entry, in order, the same ones in every run."""
    seed()
    plain = list(info.sample_inputs("cpu", dtype, requires_grad=False))
    if not dtype.is_floating_point or not info.supports_autograd:
        return plain
    seed()
    differentiable = list(info.sample_inputs("cpu", dtype, requires_grad=True))
    # A few entries have other samples where no gradient is asked for.
    return differentiable if len(differentiable) == len(plain) else differentiable + plain


def awkwardness(record, arrays):
    """Returns what distinguishes a sample from others of its op: options, kinds of arguments, ranks, layouts, emptiness."""

    def form(value):
        if isinstance(value, dict) and "input" in value:
            entry = record["inputs"][value["input"]]
            shape = arrays[entry["array"]]["shape"]
            return [arrays[entry["array"]]["dtype"], len(shape), 0 in shape, 1 in shape, sorted(entry)]
        if isinstance(value, list):
            return [form(item) for item in value]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return [type(value).__name__, value < 0]
        return value

    options = record.get("options", {})
    return json.dumps(
        [record["torch"], [form(arg) for arg in record["args"]], {key: form(value) for key, value in options.items()}]
    )


class Selection:
    """Which samples are committed: different ones, none large, a few of each entry."""

    def __init__(self):
        self.seen = {}

    def __call__(self, record, arrays):
        size = sum(math.prod(arrays[entry["array"]]["shape"]) for entry in record["inputs"] + record["outputs"])
        seen = self.seen.setdefault(record["torch"], set())
        key = awkwardness(record, arrays)
        if key in seen or len(seen) >= PER_ENTRY or size > LARGEST:
            return False
        seen.add(key)
        return True


def by_op(only):
    """Returns wgrad's ops with the entries that map to them, in order."""
    ours = {}
    for info in op_db:
        name = full_name(info)
        if name in MAP and (not only or MAP[name].ours in only or name in only):
            ours.setdefault(MAP[name].ours, []).append(info)
    return dict(sorted(ours.items()))


def write_all(only):
    """Writes every sample to build/opdb, a file per op, and says what is left out."""
    BUILD.mkdir(parents=True, exist_ok=True)
    reasons = {}
    count = 0
    for op, infos in by_op(only).items():
        cases = Cases(op)
        for info in infos:
            collect(cases, info, reasons, lambda record, arrays: True)
        cases.golden.save(folder=BUILD, relative=RELATIVE, cases=cases.records)
        count += len(cases.records)
    print(f"{count} samples; left out:")
    for reason, number in sorted(reasons.items(), key=lambda item: -item[1]):
        print(f"  {number:5} {reason}")


def write_selection():
    """Writes the committed samples."""
    cases = Cases("opdb")
    wanted = Selection()
    for infos in by_op([]).values():
        for info in infos:
            collect(cases, info, {}, wanted)
    cases.golden.save(relative=RELATIVE, cases=cases.records)
    print(f"opdb: {len(cases.records)} samples")


def collect(cases, info, reasons, wanted):
    """Adds an entry's samples to `cases`; counts those left out by reason."""
    name = full_name(info)
    mapping = MAP[name]
    dtypes = DTYPES if any(dtype in info.supported_dtypes("cpu") for dtype in DTYPES) else (torch.int64,)
    for dtype in dtypes:
        if dtype not in info.supported_dtypes("cpu"):
            continue
        for sample in samples_of(info, dtype):
            try:
                call = mapping.call(((sample.input, *sample.args), dict(sample.kwargs)))
                cases.add(info, mapping, sample, call, wanted)
            except Skip as skip:
                key = f"{name}: {skip}"
                reasons[key] = reasons.get(key, 0) + 1
            except (RuntimeError, IndexError, TypeError, ValueError, NotImplementedError) as error:
                key = f"{name}: PyTorch says {str(error).splitlines()[0][:100]}"
                reasons[key] = reasons.get(key, 0) + 1


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if "all" in sys.argv[1:]:
        write_all([name for name in sys.argv[1:] if name != "all"])
    else:
        write_selection()
