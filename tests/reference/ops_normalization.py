"""Golden cases of normalizations, dropout at its fixed points, and attention."""

import math

import torch

from cases import Suite


def rms_norm(x, shape, weight=None, eps=torch.finfo(torch.float32).eps):
    """Returns PyTorch 2's rms_norm, which 1.13 lacks."""
    dims = tuple(range(-len(shape), 0))
    scaled = x * (x.square().mean(dims, keepdim=True) + eps).rsqrt()
    return scaled if weight is None else scaled * weight


def norms(suite):
    """batchNorm, layerNorm, groupNorm, instanceNorm, rmsNorm, localResponseNorm."""
    x, image = suite.randn(6, 4), suite.randn(3, 4, 5, 2)
    mean, variance = suite.randn(4), suite.uniform(0.5, 2, 4)
    weight, bias = suite.randn(4), suite.randn(4)
    for given in (x, image, suite.randn(3, 4, 6)):
        suite.case("batchNorm", given, None, None, training=True)
        suite.case("batchNorm", given, None, None, weight=weight, bias=bias, training=True, eps=1e-3)
    for given in (x, image):
        suite.case("batchNorm", given, mean, variance, weight=weight, bias=bias, gradient=(0, 3, 4), note="running")
    suite.case("batchNorm", x + 50, None, None, training=True, note="far from zero")
    suite.case("layerNorm", suite.randn(3, 4), [4])
    suite.case("layerNorm", suite.randn(3, 4), [4], weight=weight, bias=bias)
    suite.case("layerNorm", suite.randn(2, 3, 4), [3, 4], weight=suite.randn(3, 4), bias=suite.randn(3, 4), eps=1e-3)
    suite.case("layerNorm", suite.randn(2, 3, 4), [4], weight=weight)
    suite.case("layerNorm", suite.randn(2, 700), [700], note="wide")
    suite.case("layerNorm", suite.randn(3, 16) + 30, [16], note="far from zero")
    suite.case("groupNorm", image, 2)
    suite.case("groupNorm", image, 4, weight=weight, bias=bias, eps=1e-3)
    suite.case("groupNorm", image, 1, weight=weight)
    suite.case("instanceNorm", image)
    suite.case("instanceNorm", image, weight=weight, bias=bias, eps=1e-3)
    suite.case("rmsNorm", suite.randn(3, 4), [4], by=rms_norm)
    suite.case("rmsNorm", suite.randn(2, 3, 4), [3, 4], by=rms_norm, weight=suite.randn(3, 4), eps=1e-3)
    suite.case("localResponseNorm", image, 3)
    suite.case("localResponseNorm", image, 2, alpha=0.1, beta=0.5, k=2.0)


def dropouts(suite):
    """dropout where it is not random."""
    x = suite.randn(3, 4)
    for op in ("dropout", "dropout2d", "alphaDropout"):
        given = suite.randn(2, 3, 2, 2) if op == "dropout2d" else x
        suite.case(op, given, 0.5, training=False)
    suite.case("dropout", x, 0.0)
    suite.case("dropout", x, 1.0)


def attend(q, k, v, attn_mask=None, is_causal=False, scale=None):
    """Returns scaled dot product attention by its formula: PyTorch 1.13 has no public one."""
    scores = q @ k.transpose(-1, -2) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if is_causal:
        hidden = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(hidden, -math.inf)
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return scores.softmax(-1) @ v


def attention(suite):
    """scaledDotProductAttention with masks."""
    q, k, v = suite.randn(2, 3, 5, 4), suite.randn(2, 3, 6, 4), suite.randn(2, 3, 6, 7)
    suite.case("scaledDotProductAttention", q, k, v, by=attend)
    suite.case("scaledDotProductAttention", q, k, v, by=attend, scale=0.3)
    suite.case("scaledDotProductAttention", q, k, v, by=attend, is_causal=True)
    suite.case("scaledDotProductAttention", q, k, v, by=attend, attn_mask=suite.randn(5, 6))
    suite.case(
        "scaledDotProductAttention",
        q,
        k,
        v,
        by=attend,
        attn_mask=torch.tensor([[True, False, True, True, False, True]]),
    )


def rotate(x, base=10000.0, offset=0, interleaved=False):
    """Returns x [..., T, D] as complex numbers, turned by angles that grow with the position."""
    *_, length, size = x.shape
    frequency = base ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    angle = (offset + torch.arange(length, dtype=torch.float64))[:, None] * frequency
    turn = torch.polar(torch.ones_like(angle), angle).to(torch.complex64 if x.dtype == torch.float32 else torch.complex128)
    if interleaved:
        return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous()) * turn).flatten(-2)
    turned = torch.complex(*x.chunk(2, -1)) * turn
    return torch.cat([turned.real, turned.imag], -1)


def rotary(suite):
    """rope: no op of PyTorch's, so by complex numbers."""
    x = suite.randn(2, 3, 5, 8)
    suite.case("rope", x, by=rotate)
    suite.case("rope", x, by=rotate, base=100.0, offset=7)
    suite.case("rope", suite.randn(4, 6), by=rotate, interleaved=True)


def main():
    """Writes ops-normalization."""
    suite = Suite("normalization")
    norms(suite)
    dropouts(suite)
    attention(suite)
    rotary(suite)
    suite.save()


if __name__ == "__main__":
    main()
