"""Golden cases of products: matmul in every combination of ranks, linear, einsum and kin."""

import torch

from cases import Suite


def products(suite):
    """matmul, mm, bmm, mv, dot, outer."""
    for left, right in (
        ((7,), (7,)),
        ((5, 7), (7,)),
        ((7,), (7, 4)),
        ((5, 7), (7, 4)),
        ((3, 5, 7), (3, 7, 4)),
        ((3, 5, 7), (7, 4)),
        ((5, 7), (3, 7, 4)),
        ((3, 5, 7), (7,)),
        ((7,), (3, 7, 4)),
        ((2, 1, 5, 7), (3, 7, 4)),
        ((2, 1, 5, 7), (1, 3, 7, 4)),
        ((1, 7), (7, 1)),
        ((5, 1), (1, 4)),
        ((33, 65), (65, 17)),
        ((70, 130), (130, 50)),
        ((1, 300), (300, 64)),
        ((64, 300), (300, 1)),
        ((4, 2000), (2000, 3)),
        ((16, 16), (16, 16)),
        ((64, 64), (64, 64)),
        ((0, 3), (3, 4)),
        ((5, 0), (0, 4)),
        ((5, 3), (3, 0)),
        ((0, 5, 3), (3, 4)),
    ):
        suite.case("matmul", suite.randn(*left), suite.randn(*right), note=f"{list(left)} x {list(right)}")
    x = suite.randn(6, 6)
    suite.case("matmul", x, x, note="square of one tensor", by=torch.matmul)
    suite.case("mm", suite.randn(5, 7), suite.randn(7, 4))
    suite.case("bmm", suite.randn(3, 5, 7), suite.randn(3, 7, 4))
    suite.case("mv", suite.randn(5, 7), suite.randn(7))
    suite.case("dot", suite.randn(7), suite.randn(7))
    suite.case("outer", suite.randn(5), suite.randn(3))
    integers = suite.integers(-4, 5, 3, 4)
    suite.case("matmul", integers, suite.integers(-4, 5, 4, 2), note="i32")


def layers(suite):
    """linear, bilinear, addmm, baddbmm."""
    x, weight, bias = suite.randn(5, 7), suite.randn(4, 7), suite.randn(4)
    suite.case("linear", x, weight)
    suite.case("linear", x, weight, bias=bias)
    suite.case("linear", suite.randn(2, 3, 7), weight, bias=bias, note="3-D")
    suite.case("linear", suite.randn(7), weight, bias=bias, note="1-D")
    suite.case("linear", suite.randn(32, 100), suite.randn(48, 100), bias=suite.randn(48), note="larger")
    suite.case("bilinear", suite.randn(5, 3), suite.randn(5, 4), suite.randn(2, 3, 4))
    suite.case("bilinear", suite.randn(5, 3), suite.randn(5, 4), suite.randn(2, 3, 4), bias=suite.randn(2))
    suite.case("addmm", suite.randn(5, 4), x, weight.t().contiguous())
    suite.case("addmm", bias, x, weight.t().contiguous(), beta=0.5, alpha=2.0)
    suite.case("baddbmm", suite.randn(3, 5, 4), suite.randn(3, 5, 7), suite.randn(3, 7, 4))
    suite.case("baddbmm", suite.randn(5, 1), suite.randn(3, 5, 7), suite.randn(3, 7, 4), beta=0.5, alpha=2.0)


def tensors(suite):
    """einsum, tensordot, kron, distances."""
    for equation, *shapes in (
        ("ij,jk->ik", (3, 4), (4, 5)),
        ("ij->ji", (3, 4)),
        ("ii->i", (3, 3)),
        ("ii", (3, 3)),
        ("ij->", (3, 4)),
        ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
        ("i,j->ij", (3,), (4,)),
        ("ij,ij->i", (3, 4), (3, 4)),
        ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
        ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
        ("...ij,...jk->...ik", (2, 3, 4), (2, 4, 5)),
        ("ij,jk", (3, 4), (4, 5)),
        ("bn,anm,bm->ba", (2, 3), (4, 3, 5), (2, 5)),
    ):
        suite.case("einsum", equation, *[suite.randn(*shape) for shape in shapes], note=equation)
    suite.case("tensordot", suite.randn(2, 3, 4), suite.randn(3, 4, 5))
    suite.case("tensordot", suite.randn(2, 3, 4), suite.randn(4, 5), dims=1)
    suite.case("tensordot", suite.randn(2, 3, 4), suite.randn(4, 5, 2), dims=[[0, 2], [2, 0]])
    suite.case("kron", suite.randn(2, 3), suite.randn(3, 2))
    a, b = suite.randn(2, 5, 3), suite.randn(2, 4, 3)
    suite.case("cdist", a, b)
    suite.case("cdist", a, b, p=1.0)
    c, d = suite.randn(4, 6), suite.randn(4, 6)
    suite.case("cosineSimilarity", c, d)
    suite.case("cosineSimilarity", c, d, dim=0, eps=1e-6)
    suite.case("pairwiseDistance", c, d)
    suite.case("pairwiseDistance", c, d, p=1.0, keepdim=True)


def main():
    """Writes ops-linear-algebra."""
    suite = Suite("linear-algebra")
    products(suite)
    layers(suite)
    tensors(suite)
    suite.save()


if __name__ == "__main__":
    main()
