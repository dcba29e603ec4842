"""Golden cases of all ops, a file per topic."""

import warnings

import ops_convolution
import ops_elementwise
import ops_indexing
import ops_linear_algebra
import ops_loss
import ops_movement
import ops_normalization
import ops_reduction

TOPICS = (
    ops_elementwise,
    ops_reduction,
    ops_movement,
    ops_indexing,
    ops_linear_algebra,
    ops_convolution,
    ops_normalization,
    ops_loss,
)


def main():
    """Writes ops-*.json and ops-*.bin."""
    warnings.simplefilter("ignore")  # PyTorch announces what it renamed since
    for topic in TOPICS:
        topic.main()


if __name__ == "__main__":
    main()
