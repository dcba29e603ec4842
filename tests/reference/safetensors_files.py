"""Safetensors as Python has them: without arguments writes the golden file, with a file's name tells what is in it.

Uses the package `safetensors` where it is importable, and besides it, or instead of it, a reader and a writer of its own
that follow the format's description: a u64 length, a JSON header, the bytes.
"""

import json
import pathlib
import struct
import sys

import numpy

FOLDER = pathlib.Path(__file__).parent / "data"

try:
    import safetensors
    import safetensors.numpy
except ImportError:
    safetensors = None

TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}


def golden():
    """Returns tensors of every kind of element that the package writes from numpy, with awkward values and shapes."""
    return {
        "fc1.weight": numpy.array([[1.5, -0.0, 3e-39], [numpy.inf, numpy.nan, -2.25]], "<f4"),
        "fc1.bias": numpy.zeros((0, 4), "<f4"),
        "half": numpy.array([1, -0.5, 65504, 6e-8], "<f2"),
        "double": numpy.array([[0.1], [1e300]], "<f8"),
        "steps": numpy.array(7, "<i8"),
        "counts": numpy.array([-(2**31), 2**31 - 1], "<i4"),
        "bytes": numpy.arange(5, dtype="u1"),
        "flags": numpy.array([True, False, True]),
        "имя": numpy.array([1], "<i4"),
    }


def parse(data):
    """Returns (header, tensors) of a file's bytes; demands what the format demands."""
    (length,) = struct.unpack("<Q", data[:8])
    text = data[8 : 8 + length]
    assert text[:1] == b"{", "the header must start with a brace"
    header = json.loads(text)
    body = data[8 + length :]
    metadata = header.pop("__metadata__", {})
    assert all(isinstance(value, str) for value in metadata.values()), "metadata must be text"
    tensors = {}
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, stop = entry["data_offsets"]
        assert begin == end, f"{name} leaves a gap"
        end = stop
        kind = numpy.dtype(TYPES[entry["dtype"]])
        assert stop - begin == kind.itemsize * int(numpy.prod(entry["shape"])), f"{name} has another size"
        assert begin % kind.itemsize == 0, f"{name} is not aligned"
        tensors[name] = (entry["dtype"], numpy.frombuffer(body[begin:stop], kind).reshape(entry["shape"]))
    assert end == len(body), "bytes are left over"
    return metadata, tensors


def main():
    """Writes or tells."""
    if len(sys.argv) < 2:
        assert safetensors, "the golden file is to be written by the package itself: pip install safetensors"
        data = safetensors.numpy.save(golden(), metadata={"format": "np"})
        parse(data)
        (FOLDER / "python.safetensors").write_bytes(data)
        print(f"python.safetensors: {len(data)} bytes by safetensors {safetensors.__version__}")
        return
    data = pathlib.Path(sys.argv[1]).read_bytes()
    metadata, tensors = parse(data)
    readers = ["parser"]
    if safetensors:
        readers.append(f"safetensors {safetensors.__version__}")
        found = safetensors.numpy.load(data)
        assert found.keys() == tensors.keys(), "other names"
        for name, (_, values) in tensors.items():
            assert found[name].dtype == values.dtype and found[name].shape == values.shape, name
            assert found[name].tobytes() == values.tobytes(), name
    told = {
        name: {"dtype": kind, "shape": list(values.shape), "hex": values.tobytes().hex()}
        for name, (kind, values) in tensors.items()
    }
    print(json.dumps({"readers": readers, "metadata": metadata, "tensors": told}))


if __name__ == "__main__":
    main()
