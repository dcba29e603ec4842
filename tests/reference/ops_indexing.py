"""Golden cases of the ops that read and write at computed places, and of sorting."""

import torch

from cases import INF, NAN, Suite


def fields(function):
    """Returns `function` with its named result as { values, indices }."""

    def call(*args, **options):
        result = function(*args, **options)
        return {"values": result.values, "indices": result.indices}

    return call


def reading(suite):
    """gather, indexSelect, take, takeAlongDim, embedding."""
    x, cube = suite.randn(4, 5), suite.randn(3, 4, 5)
    suite.case("gather", x, 1, suite.integers(0, 5, 4, 3))
    suite.case("gather", x, 0, suite.integers(0, 4, 6, 2), note="more rows, fewer columns")
    suite.case("gather", cube, -2, suite.integers(0, 4, 2, 7, 5))
    suite.case("gather", suite.integers(-9, 9, 4, 5), 1, suite.integers(0, 5, 4, 1), note="i32")
    suite.case("gather", x, 1, torch.zeros(4, 0, dtype=torch.int64), note="0-size")
    for dim, size in ((0, 3), (1, 4), (-1, 5)):
        suite.case("indexSelect", cube, dim, suite.integers(0, size, 6))
    suite.case("indexSelect", x, 0, torch.tensor([2, 2, 2, 0]), note="repeated")
    suite.case("indexSelect", x > 0, 1, torch.tensor([4, 0]), note="bool")
    suite.case("indexSelect", x, 0, torch.zeros(0, dtype=torch.int64), note="0-size")
    suite.case("take", x, suite.integers(0, 20, 2, 3))
    suite.case("takeAlongDim", x, x.argsort(1), dim=1, by=torch.take_along_dim)
    suite.case("takeAlongDim", x, suite.integers(0, 20, 7), by=torch.take_along_dim)
    weight = suite.randn(6, 3)
    suite.case("embedding", torch.tensor([1, 5, 1, 0]), weight)
    suite.case("embedding", suite.integers(0, 6, 2, 4), weight)
    suite.case("embedding", torch.tensor(2), weight, note="0-dim")
    suite.case("embedding", torch.tensor([[0, 2], [2, 5]]), weight, padding_idx=2)
    suite.case("embedding", suite.integers(0, 6, 300), weight, note="many")
    mask = suite.randn(4, 5) > 0
    suite.case("maskedFill", x, mask, -2.5)
    suite.case("maskedFill", cube, mask, 0.0, note="broadcast")
    suite.case("maskedFill", x, mask[0].clone(), -INF, note="infinite", gradient=False)
    suite.case(
        "maskedFill", torch.full((3,), NAN), torch.tensor([True, False, True]), 1.0, note="over NaN", gradient=False
    )


def writing(suite):
    """scatter, scatterAdd, scatterReduce, indexAdd, bincount."""
    x, source = suite.randn(4, 5), suite.randn(3, 5)
    index = torch.stack([torch.randperm(4, generator=torch.Generator().manual_seed(k))[:3] for k in range(5)], 1)
    suite.case("scatter", x, 0, index, source)
    suite.case("scatter", x, 0, index, 1.5, note="number")
    repeated = suite.integers(0, 4, 3, 5)
    suite.case("scatterAdd", x, 0, repeated, source)
    suite.case("scatterAdd", x, 1, suite.integers(0, 5, 4, 8), suite.randn(4, 8))
    suite.case(
        "scatterAdd", torch.zeros(6, dtype=torch.int64), 0, torch.tensor([1, 1, 5]), torch.tensor([2, 3, 4]), note="i32"
    )
    for reduce in ("sum", "prod", "mean", "amax", "amin"):
        suite.case("scatterReduce", x, 0, repeated, source, reduce)
        suite.case("scatterReduce", x, 0, repeated, source, reduce, include_self=False)
    suite.case("indexAdd", x, 0, torch.tensor([0, 3, 0]), source)
    suite.case("indexAdd", x, 1, torch.tensor([4, 4]), suite.randn(4, 2), alpha=-0.5)
    suite.case("bincount", torch.tensor([0, 3, 1, 3, 3]))
    suite.case("bincount", torch.tensor([0, 3, 1, 3]), minlength=6)
    suite.case("bincount", torch.tensor([0, 3, 1, 3]), weights=torch.tensor([0.5, 1.0, 2.0, 4.0]), gradient=False)


def sorting(suite):
    """sort, argsort, topk, searchsorted."""
    x = suite.randn(3, 4, 6)
    suite.case("sort", x, by=fields(torch.sort))
    suite.case("sort", x, dim=1, by=fields(torch.sort))
    suite.case("sort", x, dim=0, descending=True, by=fields(torch.sort))
    suite.case("sort", torch.tensor([3, 1, 2, -5]), by=fields(torch.sort), note="i32")
    suite.case(
        "sort", torch.tensor([2.0, NAN, -INF, 1.0, INF]), by=fields(torch.sort), note="non-finite", gradient=False
    )
    suite.case("sort", suite.randn(2, 1100), by=fields(torch.sort), note="long")
    stable = torch.tensor([2.0, 1.0, 2.0, 1.0, 0.0, 2.0])
    suite.case("sort", stable, stable=True, by=lambda x, stable: fields(torch.sort)(x, stable=stable), note="ties")
    suite.case("argsort", x)
    suite.case("argsort", x, dim=1, descending=True)
    suite.case("topk", x, 3, by=fields(torch.topk))
    suite.case("topk", x, 2, dim=1, largest=False, by=fields(torch.topk))
    edges = torch.tensor([1.0, 3.0, 5.0, 7.0])
    values = torch.tensor([[0.0, 1.0, 4.0], [7.0, 3.0, 9.0]])
    suite.case("searchsorted", edges, values, gradient=False)
    suite.case("searchsorted", edges, values, right=True, gradient=False)
    special = torch.tensor([[2.0, NAN, -INF, 1.0], [INF, -0.0, NAN, 0.0]])

    def stable_sort(x, stable, descending):
        return fields(torch.sort)(x, stable=stable, descending=descending)

    suite.case(
        "sort", special, descending=True, stable=True, by=stable_sort, note="non-finite, descending", gradient=False
    )
    suite.case("searchsorted", x.sort().values[0].contiguous(), suite.randn(4, 3), gradient=False, note="rows")
    suite.case("msort", x)
    suite.case("kthvalue", x, 2, by=fields(torch.kthvalue))
    suite.case("kthvalue", x, 3, dim=0, keepdim=True, by=fields(torch.kthvalue))
    suite.case("topk", suite.randn(2, 1500), 3, by=fields(torch.topk), note="long")


def main():
    """Writes ops-indexing."""
    suite = Suite("indexing")
    reading(suite)
    writing(suite)
    sorting(suite)
    suite.save()


if __name__ == "__main__":
    main()
