"""Golden files of ported programs: what each is given, and what it computes in f32 and in f64."""

import torch

from golden import Golden

# PyTorch 1.13's oneDNN gives wrong f32 gradients of gelu where the gradient that arrives is transposed (batch_first).
torch.backends.mkldnn.enabled = False

# Ours may be 1e-5 off, so PyTorch's own f32 has to be well within that.
STABLE = 4e-6


class Run:
    """One run of a program. Everything random is drawn in f32, so that both precisions begin with the same numbers."""

    def __init__(self, dtype):
        self.dtype = dtype
        self.states, self.inputs, self.curves, self.results = {}, {}, {}, {}

    def model(self, module, name="model"):
        """Records the state of a module before training, and returns it in this run's precision."""
        self.states[name] = {key: value.clone() for key, value in module.state_dict().items()}
        return module.to(self.dtype)

    def data(self, name, tensor):
        """Records a tensor that the program is given, and returns it in this run's precision."""
        self.inputs[name] = tensor.detach().clone()
        return tensor.to(self.dtype) if tensor.is_floating_point() else tensor

    def follow(self, name, value):
        """Writes down a number, such as a loss."""
        self.curves.setdefault(name, []).append(float(value))

    def result(self, name, tensor):
        """Records a tensor that the program computes."""
        self.results[name] = tensor.detach().clone()


def write(name, program, seed=0):
    """Runs `program(run)` in both precisions and writes program-<name>.json and .bin."""
    runs = []
    for dtype in (torch.float32, torch.float64):
        torch.manual_seed(seed)
        runs.append(Run(dtype))
        program(runs[-1])
    single, exact = runs
    for key, values in exact.curves.items():
        spread = max(abs(a - b) / max(1, abs(b)) for a, b in zip(single.curves[key], values))
        print(f"{name}: {key} {values[0]:.6g} to {values[-1]:.6g}, f32 and f64 differ by {spread:.1e}")
        assert spread < STABLE, f"{name}: {key} is too unstable to compare with"
    golden = Golden(f"program-{name}")
    golden.save(
        states={key: golden.add_all(state) for key, state in single.states.items()},
        data=golden.add_all(single.inputs),
        curves=exact.curves,
        results=golden.add_compared(single.results, exact.results),
    )
