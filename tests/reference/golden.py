"""Golden files: `<name>.json` (index and metadata) beside `<name>.bin` (little-endian arrays)."""

import json
import math
import pathlib

import torch

FOLDER = pathlib.Path(__file__).parent / "data"

# One core: the sums of a multithreaded matmul depend on the number of threads.
torch.set_num_threads(1)


def encode(value):
    """Returns `value` as JSON can hold it: non-finite numbers become `{"number": "NaN"}`, tuples lists."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}
    if isinstance(value, (list, tuple, torch.Size)):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    return value


class Golden:
    """Collects arrays and metadata, and writes them as one golden file."""

    def __init__(self, name):
        self.name = name
        self.arrays = []
        self._ids = {}
        self._offsets = {}
        self._data = bytearray()

    def add(self, tensor):
        """Stores a tensor (floats as f32, integers as i32, booleans as bytes) and returns its number."""
        tensor = tensor.detach()
        if tensor.dtype == torch.bool:
            dtype, tensor = "bool", tensor.to(torch.uint8)
        elif tensor.is_floating_point():
            dtype, tensor = "f32", tensor.to(torch.float32)
        else:
            dtype, tensor = "i32", tensor.to(torch.int32)
        data = tensor.contiguous().numpy().tobytes()
        key = (dtype, tuple(tensor.shape), data)
        if key not in self._ids:
            offset = self._offsets.get(data)
            if offset is None:
                offset = self._offsets[data] = len(self._data)
                self._data += data + bytes(-len(data) % 4)
            self._ids[key] = len(self.arrays)
            self.arrays.append({"dtype": dtype, "shape": list(tensor.shape), "offset": offset})
        return self._ids[key]

    def add_all(self, tensors):
        """Stores a dict of tensors and returns the dict of their numbers."""
        return {name: self.add(tensor) for name, tensor in tensors.items()}

    def add_compared(self, single, exact):
        """Stores the float64 values of dict `exact`, with four times the error of the f32 values `single`."""
        entries = {}
        for name, value in exact.items():
            error = (single[name].double() - value.double()).abs().max().item()
            scale = value.double().abs().max().item()
            entries[name] = {"array": self.add(value), "absolute": float(f"{4 * error + 1e-5 * scale:.2g}")}
        return entries

    def save(self, folder=FOLDER, **content):
        """Writes the file; `content` is JSON whose lists and dicts stand one entry a line."""
        lines = ["{"]
        for key, value in {"torch": torch.__version__, **content, "arrays": self.arrays}.items():
            last = "" if key == "arrays" else ","
            if isinstance(value, list):
                body = ",\n".join(json.dumps(encode(item), separators=(",", ":")) for item in value)
                lines.append(f"{json.dumps(key)}: [\n{body}\n]{last}")
            elif isinstance(value, dict):
                body = ",\n".join(
                    f"{json.dumps(name)}: {json.dumps(encode(item), separators=(',', ':'))}"
                    for name, item in value.items()
                )
                lines.append(f"{json.dumps(key)}: {{\n{body}\n}}{last}")
            else:
                lines.append(f"{json.dumps(key)}: {json.dumps(encode(value))}{last}")
        lines.append("}")
        folder.mkdir(exist_ok=True)
        (folder / f"{self.name}.json").write_text("\n".join(lines) + "\n")
        (folder / f"{self.name}.bin").write_bytes(self._data)
        print(f"{self.name}: {len(self.arrays)} arrays, {len(self._data) / 1024:.0f} KiB")


def noise(count, seed):
    """Returns `count` integers below 2^32 by a hash of their index, the same as `noise` in golden.ts."""
    mask = 0xFFFFFFFF
    value = (torch.arange(count) * 2654435761 + seed * 974711) & mask
    value = value ^ (value >> 15)
    value = (value * 2246822519) & mask  # int64 wraps modulo 2^64, so the low 32 bits are right
    return value ^ (value >> 13)


def classification(steps, batch, features, classes, seed):
    """Returns (x, y): per class a fixed pattern of lit features under noise, the same as in golden.ts."""
    y = noise(steps * batch, seed) % classes
    pattern = (noise(classes * features, seed + 1) % 4 == 0).reshape(classes, features)
    level = (noise(steps * batch * features, seed + 2) & 127).reshape(-1, features)
    x = (level + pattern[y] * 128) / 256  # exact in f32
    return x.reshape(steps, batch, features), y.reshape(steps, batch)
