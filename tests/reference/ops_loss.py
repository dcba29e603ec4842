"""Golden cases of the losses."""

import torch

from cases import Suite

REDUCTIONS = ("mean", "sum", "none")


def regression(suite):
    """Losses between equally shaped tensors."""
    x, y = suite.randn(4, 3), suite.randn(4, 3)
    for reduction in REDUCTIONS:
        suite.case("mseLoss", x, y, reduction=reduction)
        suite.case("l1Loss", x, y, reduction=reduction)
        suite.case("smoothL1Loss", x, y, reduction=reduction)
        suite.case("huberLoss", x, y, reduction=reduction)
        suite.case("klDiv", x.log_softmax(1), y.softmax(1), reduction=reduction)
        suite.case("poissonNllLoss", x, y.abs(), reduction=reduction)
        suite.case("gaussianNllLoss", x, y, suite.uniform(0.3, 2, 4, 3), reduction=reduction)
    suite.case("mseLoss", x, y)
    suite.case("mseLoss", torch.tensor(2.0), torch.tensor(-1.0), note="0-dim")
    suite.case("l1Loss", x, x.clone(), note="equal")
    row, column = suite.randn(3), suite.randn(4, 1)
    for op in ("mseLoss", "l1Loss", "smoothL1Loss", "huberLoss"):
        suite.case(op, x, row, note="broadcast")
        suite.case(op, column, row, reduction="sum", note="broadcast")
    suite.case("klDiv", x.log_softmax(1), row.softmax(0), note="broadcast", reduction="sum")
    suite.case("poissonNllLoss", x, row.abs() + 2, note="broadcast", full=True)
    suite.case("gaussianNllLoss", x, row, suite.uniform(0.3, 2, 4, 3), note="broadcast", reduction="sum")
    suite.case("smoothL1Loss", x, y, beta=0.3)
    suite.case("huberLoss", x, y, delta=0.4)
    suite.case("klDiv", x.log_softmax(1), y.log_softmax(1), log_target=True, reduction="batchmean")
    suite.case("poissonNllLoss", x.abs() + 0.1, y.abs() * 4, log_input=False, full=True)
    suite.case("gaussianNllLoss", x, y, suite.uniform(0.3, 2, 4, 3), full=True)


def classification(suite):
    """crossEntropy, nllLoss and the binary ones."""
    x, labels = suite.randn(6, 4), suite.integers(0, 4, 6)
    weight = suite.uniform(0.3, 2, 4)
    probabilities = suite.randn(6, 4).softmax(1)
    ignored = labels.clone()
    ignored[2] = ignored[5] = -100
    for reduction in REDUCTIONS:
        suite.case("crossEntropy", x, labels, reduction=reduction)
        suite.case("crossEntropy", x, labels, weight=weight, gradient=(0,), reduction=reduction)
        for note, target, smoothing in (("ignored", ignored, 0.1), ("probabilities", probabilities, 0.2)):
            suite.case("crossEntropy", x, target, reduction=reduction, note=note)
            weighted = {"weight": weight, "label_smoothing": smoothing}
            suite.case("crossEntropy", x, target, **weighted, gradient=(0,), reduction=reduction, note=note)
        suite.case("nllLoss", x.log_softmax(1), labels, reduction=reduction)
        suite.case(
            "nllLoss", x.log_softmax(1), ignored, weight=weight, gradient=(0,), reduction=reduction, note="ignored"
        )
        suite.case("binaryCrossEntropy", x.sigmoid(), probabilities, reduction=reduction)
        suite.case("binaryCrossEntropyWithLogits", x, probabilities, reduction=reduction)
    suite.case("crossEntropy", x, labels)
    suite.case("crossEntropy", x, labels, label_smoothing=0.3)
    suite.case("crossEntropy", x, torch.where(labels == 1, 0, labels), ignore_index=0, note="ignoreIndex")
    suite.case("crossEntropy", x, torch.full((6,), -100), note="all ignored", gradient=False)
    suite.case("crossEntropy", x * 200, labels, note="large logits")
    suite.case("crossEntropy", suite.randn(2, 4, 3, 2), suite.integers(0, 4, 2, 3, 2), note="4-D")
    suite.case("crossEntropy", suite.randn(2, 4, 3), suite.randn(2, 4, 3).softmax(1), note="3-D probabilities")
    suite.case("crossEntropy", suite.randn(4), torch.tensor(2), note="unbatched")
    suite.case("crossEntropy", suite.randn(64, 10), suite.integers(0, 10, 64), note="64 rows")
    suite.case("nllLoss", suite.randn(2, 4, 3, 2).log_softmax(1), suite.integers(0, 4, 2, 3, 2), note="4-D")
    suite.case("nllLoss", x.log_softmax(1), labels, ignore_index=3, note="ignoreIndex")
    hard = (suite.randn(6, 4) > 0).float()
    suite.case(
        "binaryCrossEntropy", x.sigmoid(), hard, weight=suite.uniform(0.3, 2, 6, 1), gradient=(0,), note="weight"
    )
    suite.case(
        "binaryCrossEntropy",
        torch.tensor([0.0, 1.0, 0.0, 1.0]),
        torch.tensor([0.0, 1.0, 1.0, 0.0]),
        note="saturated",
        gradient=False,
    )
    suite.case("binaryCrossEntropyWithLogits", x * 40, hard, note="large logits")
    suite.case(
        "binaryCrossEntropyWithLogits", x, hard, pos_weight=weight, weight=suite.uniform(0.3, 2, 6, 1), gradient=(0,)
    )


def distances(suite):
    """Margin, embedding and sequence losses."""
    a, b, c = suite.randn(5, 4), suite.randn(5, 4), suite.randn(5, 4)
    sign = torch.tensor([1.0, -1.0, 1.0, -1.0, -1.0])
    for reduction in REDUCTIONS:
        suite.case("hingeEmbeddingLoss", a, sign.reshape(5, 1).repeat(1, 4), reduction=reduction, gradient=(0,))
        suite.case("cosineEmbeddingLoss", a, b, sign, reduction=reduction, gradient=(0, 1))
        suite.case("marginRankingLoss", a[:, 0].clone(), b[:, 0].clone(), sign, reduction=reduction, gradient=(0, 1))
        suite.case("tripletMarginLoss", a, b, c, reduction=reduction)
    suite.case("cosineEmbeddingLoss", a, b, sign, margin=0.3, gradient=(0, 1))
    suite.case("marginRankingLoss", a[:, 0].clone(), b[:, 0].clone(), sign, margin=0.7, gradient=(0, 1))
    suite.case("tripletMarginLoss", a, b, c, margin=0.5, p=1.0, swap=True)
    log_probs = suite.randn(8, 3, 5).log_softmax(2)
    targets = torch.tensor([[1, 2, 2], [3, 1, 4], [4, 4, 0]])
    for reduction in REDUCTIONS:
        ctc(suite, log_probs, targets, [8, 7, 6], [3, 3, 2], reduction=reduction)
    ctc(suite, log_probs, targets, [8, 2, 6], [3, 3, 2], zero_infinity=True, note="one impossible")
    joined = torch.tensor([1, 2, 2, 3, 1, 4])
    ctc(suite, log_probs, joined, [8, 7, 6], [3, 1, 2], blank=0, note="targets one after the other")
    unbatched = suite.randn(5, 4).log_softmax(1)
    ctc(suite, unbatched, torch.tensor([0, 0, 2]), 5, 3, blank=3, reduction="sum", note="unbatched")
    ctc(suite, log_probs, targets, [8, 7, 6], [3, 0, 2], reduction="none", note="an empty target")


def ctc(suite, log_probs, targets, input_lengths, target_lengths, **options):
    """A case of ctcLoss, its lengths given as numbers."""
    lengths = torch.tensor(input_lengths), torch.tensor(target_lengths)
    suite.case("ctcLoss", log_probs, targets, *lengths, **options)


def small_variances(suite):
    """gaussianNllLoss where the variance is limited by eps: its gradient is that of the limit."""
    x, y, variance = suite.randn(4, 3), suite.randn(4, 3), suite.uniform(0.05, 1, 4, 3)
    suite.case("gaussianNllLoss", x, y, variance, eps=0.5, reduction="none", note="small variances")
    suite.case("gaussianNllLoss", x, y, suite.uniform(0.05, 1, 4, 1), eps=0.5, note="small variances")


def main():
    """Writes ops-loss."""
    suite = Suite("loss")
    regression(suite)
    classification(suite)
    distances(suite)
    small_variances(suite)
    suite.save()


if __name__ == "__main__":
    main()
