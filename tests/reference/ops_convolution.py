"""Golden cases of convolutions, pooling, resampling."""

import torch
from torch.nn import functional as F

from cases import Suite


def convolutions(suite):
    """conv1d, conv2d, conv3d and the transposed ones."""
    x, weight, bias = suite.randn(2, 4, 7, 8), suite.randn(6, 4, 3, 3), suite.randn(6)
    suite.case("conv2d", x, weight)
    suite.case("conv2d", x, weight, bias=bias)
    suite.case("conv2d", x, weight, bias=bias, padding=1)
    suite.case("conv2d", x, weight, stride=2)
    suite.case("conv2d", x, weight, stride=[2, 1], padding=[0, 2])
    suite.case("conv2d", x, weight, stride=3, padding=2, bias=bias, note="rest unread")
    suite.case("conv2d", x, weight, dilation=2)
    suite.case("conv2d", x, weight, dilation=[1, 3], padding=2, stride=2)
    suite.case("conv2d", x, suite.randn(6, 2, 3, 3), bias=bias, groups=2)
    suite.case("conv2d", x, suite.randn(8, 1, 3, 2), groups=4, padding=1, stride=2, note="depthwise")
    suite.case("conv2d", x, suite.randn(5, 4, 1, 1), note="1x1")
    suite.case("conv2d", x, suite.randn(5, 4, 7, 8), note="whole image")
    suite.case("conv2d", x, suite.randn(3, 4, 5, 2), padding=[4, 1], note="wide padding")
    suite.case("conv2d", x, weight, padding="same")
    suite.case("conv2d", x, suite.randn(3, 4, 2, 4), padding="same", dilation=2, note="even kernel")
    suite.case("conv2d", x, weight, padding="valid")
    suite.case("conv2d", x[0].clone(), weight, bias=bias, note="unbatched")
    suite.case("conv2d", suite.randn(0, 4, 7, 8), weight, padding=1, note="0-size batch")
    suite.case(
        "conv2d", suite.randn(3, 1, 14, 14), suite.randn(8, 1, 5, 5), bias=suite.randn(8), padding=2, note="larger"
    )
    line, kernel = suite.randn(2, 4, 9), suite.randn(6, 4, 3)
    suite.case("conv1d", line, kernel)
    suite.case("conv1d", line, kernel, bias=bias, stride=2, padding=1, dilation=2)
    suite.case("conv1d", line, suite.randn(4, 2, 3), groups=2)
    volume = suite.randn(1, 2, 4, 5, 4)
    suite.case("conv3d", volume, suite.randn(3, 2, 2, 3, 2))
    suite.case("conv3d", volume, suite.randn(3, 2, 2, 3, 2), bias=suite.randn(3), stride=[1, 2, 1], padding=1)
    for op, given, shape in (("convTranspose1d", line, (4, 3, 3)), ("convTranspose2d", x, (4, 3, 3, 2))):
        w = suite.randn(*shape)
        suite.case(op, given, w, by=getattr(F, op.replace("T", "_t")))
        suite.case(
            op,
            given,
            w,
            by=getattr(F, op.replace("T", "_t")),
            bias=suite.randn(3),
            stride=2,
            padding=1,
            output_padding=1,
        )
        suite.case(op, given, w, by=getattr(F, op.replace("T", "_t")), dilation=2, stride=3)
        suite.case(
            op,
            given,
            suite.randn(4, 2, *shape[2:]),
            by=getattr(F, op.replace("T", "_t")),
            groups=2,
            bias=suite.randn(4),
        )


def pools(suite):
    """Maximum and average pools: ties, padding, dilation, ceilMode, adaptive."""
    x = suite.randn(2, 3, 7, 8)
    ties = suite.integers(-1, 2, 1, 2, 6, 6).float()
    by = F.max_pool2d
    suite.case("maxPool2d", x, 2, by=by)
    suite.case("maxPool2d", x, [3, 2], by=by)
    suite.case("maxPool2d", x, 3, by=by, stride=1)
    suite.case("maxPool2d", x, 3, by=by, stride=2, padding=1)
    suite.case("maxPool2d", x, 2, by=by, stride=[3, 2], padding=[1, 0])
    suite.case("maxPool2d", x, 2, by=by, dilation=2)
    suite.case("maxPool2d", x, 3, by=by, stride=1, padding=1, dilation=2)
    suite.case("maxPool2d", x, 2, by=by, ceil_mode=True)
    suite.case("maxPool2d", x, 3, by=by, stride=2, padding=1, ceil_mode=True)
    suite.case("maxPool2d", x, 2, by=by, stride=3, padding=1, ceil_mode=True)
    suite.case("maxPool2d", ties, 2, by=by, note="ties")
    suite.case("maxPool2d", ties, 3, by=by, stride=1, padding=1, note="ties, overlap")
    suite.case("maxPool2d", torch.full((1, 1, 4, 4), -5.0), 3, by=by, padding=1, note="padding below all")
    suite.case("maxPool2d", x[0].clone(), 2, by=by, note="unbatched")
    suite.case("maxPool1d", suite.randn(2, 3, 9), 3, by=F.max_pool1d, stride=2, padding=1)
    suite.case("maxPool1d", suite.randn(2, 3, 9), 2, by=F.max_pool1d, ceil_mode=True)
    suite.case("avgPool2d", x, 2)
    suite.case("avgPool2d", x, [3, 2])
    suite.case("avgPool2d", x, 3, stride=1, padding=1)
    suite.case("avgPool2d", x, 3, stride=2, padding=1, count_include_pad=False)
    suite.case("avgPool2d", x, 3, stride=2, padding=1, ceil_mode=True)
    suite.case("avgPool2d", x, 3, stride=2, padding=1, ceil_mode=True, count_include_pad=False)
    suite.case("avgPool2d", x, 2, ceil_mode=True)
    suite.case("avgPool2d", x, 2, divisor_override=3)
    suite.case("avgPool1d", suite.randn(2, 3, 9), 3, by=F.avg_pool1d, stride=2, padding=1)
    suite.case("avgPool1d", suite.randn(2, 3, 9), 2, by=F.avg_pool1d, ceil_mode=True, count_include_pad=False)
    suite.case("adaptiveAvgPool1d", suite.randn(2, 3, 9), 4, by=F.adaptive_avg_pool1d)
    suite.case("adaptiveAvgPool2d", x, 1, by=F.adaptive_avg_pool2d)
    suite.case("adaptiveAvgPool2d", x, [3, 5], by=F.adaptive_avg_pool2d)
    suite.case("adaptiveMaxPool2d", x, [3, 5], by=F.adaptive_max_pool2d)


def resampling(suite):
    """interpolate and gridSample."""
    x = suite.randn(1, 2, 4, 5)
    suite.case("interpolate", x, scale_factor=2)
    suite.case("interpolate", x, size=[6, 3])
    suite.case("interpolate", x, size=[7, 9], mode="bilinear")
    suite.case("interpolate", x, size=[7, 9], mode="bilinear", align_corners=True)
    suite.case("interpolate", x, size=[2, 3], mode="bilinear")
    grid = suite.uniform(-1.1, 1.1, 1, 3, 4, 2)
    for mode in ("bilinear", "nearest", "bicubic"):
        for padding_mode in ("zeros", "border", "reflection"):
            suite.case(
                "gridSample",
                x,
                grid,
                mode=mode,
                padding_mode=padding_mode,
                align_corners=False,
                gradient=(0,) if mode == "nearest" else True,
            )
    for padding_mode in ("zeros", "reflection"):
        suite.case("gridSample", x, grid, padding_mode=padding_mode, mode="bilinear", align_corners=True)
    far = suite.uniform(-4, 4, 2, 2, 3, 2)
    suite.case("gridSample", suite.randn(2, 3, 3, 4), far, padding_mode="reflection", align_corners=False)
    suite.case("gridSample", suite.randn(2, 1, 3, 4), far, mode="bicubic", padding_mode="border", align_corners=True)


def main():
    """Writes ops-convolution."""
    suite = Suite("convolution")
    convolutions(suite)
    pools(suite)
    resampling(suite)
    suite.save()


if __name__ == "__main__":
    main()
