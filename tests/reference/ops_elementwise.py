"""Golden cases of the elementwise ops: ordinary values with gradients, kinks, non-finite values, other dtypes."""

import torch
from torch.nn import functional as F

from cases import INF, NAN, Suite

EDGES = torch.tensor(
    [NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -3.0, 1e-10, -1e-10, 30.0, -30.0, 1e6, -1e6]
)
HUGE = torch.tensor([88.0, -88.0, 89.0, -104.0, 1e10, -1e10, 1e20, 3e38, -3e38, 2.0**24, 16777215.0, 8388609.0])
KINKS = torch.tensor([-6.0, -3.0, -2.5, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 1.5, 2.5, 3.0, 6.0, 20.0, 25.0])
PAIRS = torch.tensor([NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 2.0, -2.5])

# op: the interval in which its ordinary values lie
# fmt: off
DOMAINS = {
    "abs": (-3, 3), "neg": (-3, 3), "sign": (-3, 3), "ceil": (-3, 3), "floor": (-3, 3), "round": (-3, 3),
    "trunc": (-3, 3), "frac": (-3, 3), "exp": (-3, 3), "exp2": (-3, 3), "expm1": (-3, 3), "log": (0.1, 4),
    "log2": (0.1, 4), "log10": (0.1, 4), "log1p": (-0.9, 4), "sqrt": (0.1, 4), "rsqrt": (0.1, 4), "square": (-3, 3),
    "reciprocal": (0.2, 4), "sin": (-8, 8), "cos": (-8, 8), "tan": (-1.3, 1.3), "asin": (-0.95, 0.95),
    "acos": (-0.95, 0.95), "atan": (-4, 4), "sinh": (-4, 4), "cosh": (-4, 4), "tanh": (-4, 4), "asinh": (-6, 6),
    "acosh": (1.05, 9), "atanh": (-0.95, 0.95), "sigmoid": (-6, 6), "relu": (-3, 3), "relu6": (-3, 9),
    "selu": (-3, 3), "silu": (-6, 6), "mish": (-6, 6), "softsign": (-4, 4), "hardsigmoid": (-5, 5),
    "hardswish": (-5, 5), "tanhshrink": (0.3, 4), "erf": (-3, 3), "erfc": (-2, 3), "erfinv": (-0.95, 0.95),
    "lgamma": (0.2, 9), "digamma": (1.6, 9), "sinc": (-3, 3), "deg2rad": (-400, 400), "rad2deg": (-7, 7),
    "logSigmoid": (-8, 8), "elu": (-3, 3), "celu": (-3, 3), "gelu": (-4, 4), "softplus": (-6, 6),
    "hardtanh": (-3, 3), "hardshrink": (-2, 2), "softshrink": (-2, 2), "logit": (0.05, 0.95), "nanToNum": (-3, 3),
}
# fmt: on
BY = {"logSigmoid": F.logsigmoid, "reciprocal": torch.reciprocal}

PIECEWISE = (
    "abs sign ceil floor round trunc frac relu relu6 selu elu celu hardtanh hardsigmoid hardswish hardshrink "
    "softshrink softsign silu softplus"
)
HUGE_OPS = (
    "abs neg sign ceil floor round trunc exp exp2 expm1 log log2 log10 log1p sqrt rsqrt square reciprocal sinh cosh "
    "tanh asinh atan sigmoid logSigmoid relu softplus silu gelu mish erf erfc elu"
)


def edges_of(op):
    """Returns the edge values for op, without those at which f32 and f64 or PyTorch's versions differ."""
    if op in ("sin", "cos", "tan", "sinc"):
        return EDGES[EDGES.isnan() | EDGES.isinf() | (EDGES.abs() < 100)]
    if op in ("lgamma", "digamma"):
        return EDGES[(EDGES.abs() < 1e5) & (EDGES.abs() > 1e-3) & ((EDGES > 0) | (EDGES.frac() != 0))]
    if op == "hardswish":
        return EDGES[EDGES != -INF]
    if op == "softshrink":
        return EDGES[~EDGES.isnan()]
    return EDGES


def unary(suite):
    """Unary ops: a 2-D array with gradients, edges, kinks, 0-dim, 0-size, integers and booleans."""
    for op, (low, high) in DOMAINS.items():
        by = BY.get(op)
        suite.case(op, suite.uniform(low, high, 4, 6), by=by)
        suite.case(op, edges_of(op), by=by, note="edges", gradient=False, trust="f32" if op == "nanToNum" else None)
    for op in PIECEWISE.split():
        # The derivative of hardswish at -3 and 3 changed between PyTorch's versions.
        suite.case(op, KINKS[KINKS.abs() != 3] if op == "hardswish" else KINKS, note="kinks")
    for op in HUGE_OPS.split():
        trust = "f64" if op == "log1p" else None  # log1p(3e38) overflows in PyTorch's f32
        suite.case(op, HUGE, by=BY.get(op), note="huge", gradient=False, trust=trust)
    for op in ("neg", "exp", "relu", "sqrt", "floor"):
        suite.case(op, torch.tensor(0.75), note="0-dim")
        suite.case(op, torch.zeros(3, 0), note="0-size")
    integers = torch.tensor([[-3, 0, 1], [7, -2147483647, 100000]])
    for op in ("abs", "neg", "sign", "ceil", "floor", "round", "trunc", "bitwiseNot"):
        suite.case(op, integers, note="i32")
    small = torch.tensor([-3, 0, 1, 7])
    for op in ("relu", "square", "isnan", "isinf", "isfinite", "logicalNot"):
        suite.case(op, small, note="i32")
    for op in ("exp", "sigmoid", "sin", "tanh", "erf", "deg2rad", "reciprocal"):
        suite.case(op, small, by=lambda x, op=op: getattr(torch, op)(x.double()).float(), note="i32 gives f32")
    suite.case("sqrt", torch.tensor([0, 1, 4, 10]), by=lambda x: x.double().sqrt().float(), note="i32 gives f32")
    flags = torch.tensor([True, False, True])
    for op in ("logicalNot", "bitwiseNot"):
        suite.case(op, flags, note="bool")
    suite.case("exp", flags, by=lambda x: x.double().exp().float(), note="bool gives f32")
    for op in ("isnan", "isinf", "isfinite", "logicalNot"):
        suite.case(op, EDGES, note="edges")


def unary_options(suite):
    """Unary ops with options or further arguments."""
    x = suite.uniform(-3, 3, 4, 5)
    suite.case("leakyRelu", x)
    suite.case("leakyRelu", KINKS, negative_slope=0.2, note="kinks")
    suite.case("elu", x, alpha=0.7)
    suite.case("celu", x, alpha=0.7)
    suite.case("gelu", x, approximate="tanh")
    suite.case("gelu", EDGES, approximate="tanh", note="edges", gradient=False)
    suite.case("softplus", x * 4, beta=2.0, threshold=5.0)
    suite.case("hardtanh", x, min_val=-0.5, max_val=2.0)
    suite.case("hardshrink", x, lambd=1.5)
    suite.case("softshrink", x, lambd=1.5)
    suite.case("threshold", x, 0.5, -7.0)
    suite.case("threshold", KINKS, 1.0, 20.0, note="kinks")
    suite.case("prelu", x, torch.tensor([0.25]))
    suite.case("prelu", suite.uniform(-3, 3, 2, 3, 4), torch.tensor([0.25, -0.5, 2.0]), note="per channel")
    suite.case("glu", suite.randn(3, 8))
    suite.case("glu", suite.randn(4, 3, 2), dim=0)
    suite.case("logit", torch.tensor([-0.2, 0.0, 0.01, 0.3, 0.7, 1.0, 1.5]), eps=0.05)
    suite.case("nanToNum", EDGES, nan=2.5, posinf=100.0, neginf=-50.0, note="edges")
    suite.case("round", suite.uniform(-3, 3, 3, 4), decimals=2, note="decimals")
    suite.case("clamp", x, min=-1.0, max=1.0)
    suite.case("clamp", KINKS, min=-1.0, note="kinks")
    suite.case("clamp", KINKS, max=1.0, note="kinks")
    suite.case("clamp", EDGES, min=-1.0, max=2.0, note="edges")
    suite.case("clamp", x, min=1.0, max=-1.0, note="min above max")
    suite.case("clamp", x, min=suite.uniform(-2, 0, 5), max=suite.uniform(0, 2, 4, 1), note="tensors")
    suite.case("clamp", torch.tensor([-4, 0, 9]), min=-1, max=5, note="i32")


def binary(suite):
    """Binary ops: same shape, broadcast, scalars, ties, edges crossed with edges, dtypes."""
    a, b = suite.uniform(-3, 3, 4, 6), suite.uniform(0.3, 3, 4, 6)
    row, column = suite.uniform(-3, 3, 6), suite.uniform(0.3, 3, 4, 1)
    by = {"floorDivide": torch.floor_divide}
    for op in ("add", "sub", "mul", "div", "maximum", "minimum", "atan2", "hypot", "copysign", "logaddexp"):
        suite.case(op, a, b)
        suite.case(op, row, column, note="broadcast both")
        suite.case(op, a, torch.tensor(1.5), note="0-dim")
    for op in ("fmod", "remainder", "floorDivide"):
        suite.case(op, a, b, by=by.get(op), gradient=op != "floorDivide")
        suite.case(op, a, 0.75, by=by.get(op), note="number", gradient=op != "floorDivide")
        suite.case(op, a, -0.75, by=by.get(op), note="negative number", gradient=op != "floorDivide")
    suite.case("pow", b, a)
    suite.case("pow", column, row, note="broadcast both")
    suite.case("xlogy", a, b)
    suite.case(
        "xlogy",
        torch.tensor([0.0, 1.0, 2.0, NAN, 0.0, 0.0]),
        torch.tensor([0.0, 0.0, -1.0, 0.0, NAN, INF]),
        note="edges",
        gradient=False,
    )
    crossed = (
        "add sub mul div pow maximum minimum atan2 hypot copysign logaddexp fmod remainder floorDivide "
        "eq ne lt le gt ge logicalAnd logicalOr logicalXor"
    )
    for op in crossed.split():
        suite.case(op, PAIRS.reshape(-1, 1), PAIRS, by=by.get(op), note="edges crossed", gradient=False)
    for op in ("add", "sub", "mul", "div"):
        suite.case(op, a, 2.5, note="number")
        suite.case(op, a, a.flip(1)[:, :1].expand(4, 6).clone(), note="column repeated")
        suite.case(op, torch.zeros(2, 0, 3), torch.ones(3), note="0-size")
        suite.case(op, suite.randn(2, 1, 3, 1), suite.randn(4, 1, 5), note="broadcast to 4-D")
    for op in ("maximum", "minimum"):
        by_number = getattr(torch, op)
        suite.case(op, a, 0.5, by=lambda x, y, f=by_number: f(x, torch.tensor(y, dtype=x.dtype)), note="number")
        suite.case(op, torch.tensor([1.0, 2.0, 3.0, 0.0]), torch.tensor([1.0, 3.0, 2.0, -0.0]), note="ties")
    suite.case("add", 1.5, a, by=lambda x, y: x + y, note="number first")
    suite.case("sub", 1.5, a, by=lambda x, y: x - y, note="number first")
    suite.case("mul", 1.5, a, by=lambda x, y: x * y, note="number first")
    suite.case("div", 1.5, b, by=lambda x, y: x / y, note="number first")
    suite.case("pow", 1.5, a, by=lambda x, y: x**y, note="number first")
    suite.case("maximum", 0.5, a, by=lambda x, y: torch.maximum(torch.tensor(x, dtype=y.dtype), y), note="number first")
    suite.case("minimum", 0.5, a, by=lambda x, y: torch.minimum(torch.tensor(x, dtype=y.dtype), y), note="number first")
    suite.case("add", a, b, alpha=2.0)
    suite.case("sub", a, b, alpha=0.5)
    for mode in ("trunc", "floor"):
        suite.case("div", a, b, rounding_mode=mode, gradient=False)
        suite.case(
            "div", torch.tensor([-7, 7, -8, 8, 5]), torch.tensor([2, -2, 3, -3, 5]), rounding_mode=mode, note="i32"
        )
    base = torch.tensor([-2.0, -1.5, -0.5, 0.5, 1.0, 3.0])
    for exponent in (2, 3, 0.5, -1, 0, 1, 2.5, -2):
        suite.case("pow", base if float(exponent).is_integer() else base.abs(), exponent, note=f"number {exponent}")
    suite.case("pow", torch.tensor([0.0, 0.0, 0.0, 2.0]), torch.tensor([0.0, 1.0, 2.0, 3.0]), note="zero base")
    suite.case(
        "pow", torch.tensor([-2.0, -2.0, -2.0]), torch.tensor([2.0, 3.0, -1.0]), note="negative base", gradient=False
    )
    suite.case("pow", torch.tensor([-2, 3, 0, 10]), torch.tensor([3, 2, 0, 5]), note="i32")
    suite.case("pow", torch.tensor([-2, 3, 0, 10]), 2, note="i32 number")


def binary_dtypes(suite):
    """Integer, boolean and mixed operands; bit operations and shifts; comparisons."""
    i, j = torch.tensor([[7, -7, 0], [100000, 5, -1]]), torch.tensor([[2, 2, 3], [-3, 5, -1]])
    p, q = torch.tensor([True, True, False, False]), torch.tensor([True, False, True, False])
    floats = torch.tensor([[7.0, -7.5, 0.25], [3.0, 5.0, -1.0]])
    for op in (
        "add",
        "sub",
        "mul",
        "maximum",
        "minimum",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "fmod",
        "remainder",
        "floorDivide",
        "bitwiseAnd",
        "bitwiseOr",
        "bitwiseXor",
        "logicalAnd",
        "logicalOr",
        "logicalXor",
    ):
        suite.case(op, i, j, note="i32")
    suite.case("div", i, j, by=lambda x, y: x.double().div(y).float(), note="i32 gives f32")
    for op in ("add", "mul", "eq", "lt", "maximum"):
        suite.case(op, i, floats, note="i32 with f32")
    for op in (
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "logicalAnd",
        "logicalOr",
        "logicalXor",
        "bitwiseAnd",
        "bitwiseOr",
        "bitwiseXor",
        "maximum",
        "minimum",
    ):
        suite.case(op, p, q, note="bool")
    suite.case("add", p, q, by=lambda x, y: x.int() + y.int(), note="bool gives i32")
    suite.case("mul", p, q, by=lambda x, y: x.int() * y.int(), note="bool gives i32")
    suite.case("mul", p, torch.tensor([1.5, 2.5, 3.5, 4.5]), note="bool with f32")
    suite.case("add", i, 1, note="i32 with whole number")
    suite.case("mul", i, 0.5, by=lambda x, y: (x.double() * y).float(), note="i32 with fraction gives f32")
    shifts = torch.tensor([0, 1, 4, 31])
    suite.case("bitwiseLeftShift", torch.tensor([1, -3, 5, 0], dtype=torch.int32), shifts.int())
    suite.case("bitwiseRightShift", torch.tensor([1, -3, 1000, -1], dtype=torch.int32), shifts.int())
    for op in ("eq", "ne", "lt", "le", "gt", "ge"):
        suite.case(op, floats, 3.0, note="number")
        suite.case(op, suite.integers(0, 3, 4, 1).float(), suite.integers(0, 3, 5).float(), note="broadcast")


def ternary(suite):
    """where, lerp, addcmul, addcdiv, isclose."""
    a, b, c = suite.randn(3, 4), suite.randn(3, 4), suite.uniform(0.3, 2, 3, 4)
    condition = suite.randn(3, 4) > 0
    suite.case("where", condition, a, b)
    suite.case("where", condition[0], a, b[:, :1].clone(), note="broadcast")
    suite.case("where", condition, a, 0, by=where, note="number last")
    suite.case("where", condition, -1.5, b, by=where, note="number first")
    suite.case("where", condition, torch.tensor(NAN).expand(3, 4).clone(), b, note="unselected NaN")
    suite.case("where", condition[:, 0], torch.tensor([1, 2, 3]), torch.tensor([-1, -2, -3]), note="i32")
    suite.case("lerp", a, b, 0.3)
    suite.case("lerp", a, b, c[0].clone(), note="tensor weight")
    suite.case("addcmul", a, b, c)
    suite.case("addcmul", a, b, c, value=0.5)
    suite.case("addcdiv", a, b, c)
    suite.case("addcdiv", a, b, c, value=-2.0)
    near = torch.tensor([1.0, 1.0, 1.0, NAN, INF, -INF])
    far = torch.tensor([1.000001, 1.1, -1.0, NAN, INF, INF])
    suite.case("isclose", near, far)
    suite.case("isclose", near, far, rtol=0.2, equal_nan=True)
    suite.case("isclose", near, far, rtol=0.0, atol=0.15)


def where(condition, x, y):
    """Returns torch.where of a tensor and a number, in the tensor's dtype."""
    dtype = x.dtype if isinstance(x, torch.Tensor) else y.dtype
    return torch.where(condition, torch.as_tensor(x, dtype=dtype), torch.as_tensor(y, dtype=dtype))


def main():
    """Writes ops-elementwise."""
    suite = Suite("elementwise")
    unary(suite)
    unary_options(suite)
    binary(suite)
    binary_dtypes(suite)
    ternary(suite)
    suite.save()


if __name__ == "__main__":
    main()
