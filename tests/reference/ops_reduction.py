"""Golden cases of reductions, softmaxes and scans: dims, ties, empty and non-finite inputs, dtypes, long rows."""

import torch
from torch.nn import functional as F

from cases import INF, NAN, Suite

SHAPED = "sum mean amax amin logsumexp nansum nanmean"


def float_reductions(suite):
    """Floating-point reductions over none, one, several, negative dims, with and without keepdim."""
    x = suite.randn(3, 4, 5)
    for op in SHAPED.split():
        if op == "logsumexp":
            suite.case(op, x, by=lambda x: x.flatten().logsumexp(0))
        else:
            suite.case(op, x)
        for dim, keepdim in (
            (0, False),
            (1, False),
            (-1, False),
            (2, True),
            ([0, 2], False),
            ([0, 2], True),
            ([-1, -3], False),
            ([0, 1, 2], True),
        ):
            suite.case(op, x, dim, keepdim, note=f"dim {dim} keepdim {keepdim}")
        suite.case(op, torch.tensor(2.5), by=(lambda x: x.logsumexp(0)) if op == "logsumexp" else None, note="0-dim")
        suite.case(op, suite.randn(1, 6), 0, note="size 1")
    for op in ("variance", "std"):
        function = torch.var if op == "variance" else torch.std
        suite.case(op, x, by=function)
        for dim, keepdim in ((1, False), (-1, True), ([0, 2], False)):
            suite.case(
                op,
                x,
                dim,
                keepdim,
                by=lambda x, d, k, f=function: f(x, d, unbiased=True, keepdim=k),
                note=f"dim {dim} keepdim {keepdim}",
            )
        suite.case(
            op,
            x,
            1,
            True,
            by=lambda x, d, k, correction, f=function: f(x, d, correction=correction, keepdim=k),
            correction=0,
        )
        suite.case(op, x + 100, 1, False, by=lambda x, d, k, f=function: f(x, d, unbiased=True), note="far from zero")
        suite.case(op, torch.ones(2, 1), 1, by=function, note="one element", gradient=False)
    for op in ("prod", "max", "min"):
        suite.case(op, x)
        values = (lambda result: result) if op == "prod" else (lambda result: result.values)
        for dim, keepdim in ((0, False), (-1, False), (1, True)):
            suite.case(
                op,
                x,
                dim,
                keepdim,
                by=lambda x, d, k, f=getattr(torch, op), v=values: v(f(x, d, keepdim=k)),
                note=f"dim {dim} keepdim {keepdim}",
            )
    zeros = torch.tensor([[2.0, 0.0, 3.0], [0.0, 0.0, 4.0], [1.0, -2.0, 5.0]])
    suite.case("prod", zeros, 1, note="zeros")
    suite.case("prod", zeros[0].clone(), note="one zero")
    ties = torch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [0.0, -0.0, -1.0]])
    for op in ("amax", "amin"):
        suite.case(op, ties, 1, note="ties")
        suite.case(op, ties, note="ties")
    for op in ("max", "min"):
        suite.case(op, ties, 1, by=lambda x, d, f=getattr(torch, op): f(x, d).values, note="ties")
        suite.case(op, ties, note="ties")
    for p in (2, 1, 3, 0.5, INF, -INF, 0):
        suite.case("norm", x, by=lambda x, p, dim: torch.linalg.vector_norm(x, p, dim), p=p, dim=1)
    suite.case("norm", x, by=lambda x: torch.linalg.vector_norm(x))
    suite.case(
        "norm", x, dim=[0, 2], keepdim=True, by=lambda x, dim, keepdim: torch.linalg.vector_norm(x, 2, dim, keepdim)
    )
    suite.case("norm", torch.zeros(2, 3), dim=1, by=lambda x, dim: torch.linalg.vector_norm(x, 2, dim), note="zeros")


def special_values(suite):
    """NaN, infinities and empty tensors."""
    x = torch.tensor([[1.0, NAN, 2.0], [INF, 1.0, 2.0], [-INF, 1.0, 2.0], [INF, -INF, 0.0], [3.0, 1.0, 2.0]])
    for op in ("sum", "mean", "amax", "amin", "nansum", "nanmean", "prod", "logsumexp"):
        suite.case(op, x, 1, note="non-finite", gradient=False)
    for op in ("max", "min"):
        suite.case(op, x, 1, by=lambda x, d, f=getattr(torch, op): f(x, d).values, note="non-finite", gradient=False)
    for op in ("argmax", "argmin", "countNonzero", "all", "any"):
        suite.case(op, x, 1, note="non-finite")
    suite.case(
        "logsumexp",
        torch.tensor([[-INF, -INF], [INF, 0.0], [1000.0, 1000.0], [-1000.0, -1001.0]]),
        1,
        note="extremes",
        gradient=False,
    )
    empty = torch.zeros(3, 0)
    suite.case("sum", empty, note="0-size")
    suite.case("sum", empty, 1, note="0-size")
    suite.case("sum", empty, 0, note="0-size")
    suite.case("prod", empty, 1, note="0-size")
    suite.case("mean", empty, 1, note="0-size", gradient=False)
    suite.case("amax", empty, 0, note="0-size")
    suite.case("all", empty, 1, note="0-size")
    suite.case("any", empty, 1, note="0-size")
    suite.case("countNonzero", empty, note="0-size")
    suite.case("softmax", empty, 1, note="0-size")
    suite.case("cumsum", empty, 1, note="0-size")
    suite.case("logsumexp", empty, 1, note="0-size", gradient=False)


def other_dtypes(suite):
    """Indices, counts, truth values; integer and boolean inputs."""
    x = suite.randn(3, 4, 5)
    i = suite.integers(-4, 5, 3, 4)
    flags = suite.randn(3, 4) > 0.3
    for op in ("argmax", "argmin"):
        suite.case(op, x)
        for dim, keepdim in ((0, False), (-1, False), (1, True)):
            suite.case(op, x, dim, keepdim, note=f"dim {dim} keepdim {keepdim}")
        suite.case(op, i, 1, note="i32")
        suite.case(op, torch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]), 1, note="ties")
        suite.case(op, torch.tensor(4.0), note="0-dim")
    for op in ("all", "any"):
        suite.case(op, flags)
        suite.case(op, flags, 1)
        suite.case(op, flags, 0, True)
        suite.case(op, i, 1, note="i32")
        suite.case(op, x, -1)
    for given, note in ((x > 0, "bool"), (i, "i32"), (i.float(), "f32")):
        suite.case("countNonzero", given, note=note)
        suite.case("countNonzero", given, 1, note=note)
    suite.case("countNonzero", x > 0, [0, 2])
    suite.case("sum", flags, note="bool gives i32")
    suite.case("sum", flags, 1, note="bool gives i32")
    for op in ("sum", "prod", "amax", "amin"):
        suite.case(op, i, 1, note="i32")
    suite.case("sum", i, note="i32")
    for op in ("max", "min"):
        suite.case(op, i, note="i32")
        suite.case(op, i, 1, by=lambda x, d, f=getattr(torch, op): f(x, d).values, note="i32")
    suite.case("mean", i, 1, by=lambda x, d: x.double().mean(d).float(), note="i32 gives f32")
    suite.case("cumsum", i, 1, note="i32")
    suite.case("cumsum", flags, 1, note="bool gives i32")


def softmaxes(suite):
    """softmax and kin: each dim, extremes, masked rows."""
    x = suite.randn(3, 4, 5)
    for op in ("softmax", "logSoftmax", "softmin"):
        by = F.softmin if op == "softmin" else None
        for dim in (0, 1, -1):
            suite.case(op, x, dim, by=by)
        suite.case(op, x * 300, -1, by=by, note="large logits")
        suite.case(
            op,
            torch.tensor([[1.0, -INF, 2.0], [0.0, 0.0, -INF], [1e4, 1e4, -1e4]]),
            1,
            by=by,
            note="extremes",
            gradient=False,
        )
        suite.case(
            op, torch.tensor([[NAN, 1.0], [INF, 1.0], [-INF, -INF]]), 1, by=by, note="non-finite", gradient=False
        )
        suite.case(op, torch.tensor(3.0), 0, by=by, note="0-dim")
    suite.case("normalize", x)
    suite.case("normalize", x, p=1.0, dim=-1)
    suite.case("normalize", torch.zeros(2, 3), note="zeros", gradient=False)


def scans(suite):
    """Cumulative ops."""
    x = suite.randn(3, 4, 5)
    for op in ("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin"):
        for dim in (0, 1, -1):
            suite.case(op, x, dim, by=fields(op) if op in ("cummax", "cummin") else None)
    suite.case(
        "cumprod", torch.tensor([[2.0, 0.0, 3.0, 4.0], [1.0, 2.0, 3.0, 0.0], [0.0, 5.0, 0.0, 1.0]]), 1, note="zeros"
    )
    ties = torch.tensor([[1.0, 3.0, 3.0, 2.0], [2.0, 2.0, 1.0, 1.0]])
    suite.case("cummax", ties, 1, by=fields("cummax"), note="ties")
    suite.case("cummin", ties, 1, by=fields("cummin"), note="ties")
    suite.case("cumsum", suite.randn(2, 700), 1, note="long")
    suite.case("median", x, by=torch.median)
    suite.case("median", x, 1, by=fields("median"))
    suite.case("median", suite.randn(3, 6), -1, True, by=fields("median"), note="even count keepdim")


def fields(op):
    """Returns PyTorch's function with its named results as { values, indices }."""

    def call(*args, **options):
        result = getattr(torch, op)(*args, **options)
        return {"values": result.values, "indices": result.indices}

    return call


def long_rows(suite):
    """Rows long enough for several threads, and reductions in two stages."""
    wide, tall = suite.randn(3, 1500), suite.randn(1500, 3)
    for op in ("sum", "mean", "amax", "logsumexp"):
        suite.case(op, wide, 1, note="wide")
        suite.case(op, tall, 0, note="tall")
    suite.case("softmax", wide, 1, note="wide")
    suite.case("logSoftmax", tall, 0, note="tall")
    suite.case("variance", wide, 1, by=torch.var, note="wide")
    suite.case("argmax", wide, 1, note="wide")
    suite.case("argmin", tall, 0, note="tall")
    whole = suite.randn(20011)
    for op in ("sum", "amax", "argmax", "std"):
        suite.case(op, whole, note="20011 elements", gradient=op in ("sum", "amax"))


def main():
    """Writes ops-reduction."""
    suite = Suite("reduction")
    float_reductions(suite)
    special_values(suite)
    other_dtypes(suite)
    softmaxes(suite)
    scans(suite)
    long_rows(suite)
    suite.save()


if __name__ == "__main__":
    main()
