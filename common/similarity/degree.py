"""The similarity degree of two pictures [S §IV-B]."""

from __future__ import annotations

NEAR_DUPLICATE = 0.75
"""The paper's threshold. Four of five of its near-duplicates lie above it; of ours, a crop to half the picture cannot."""


def similarity_degree(n_similar: int, n_a: int, n_b: int) -> float:
    """How much of two pictures is similar: 0 nothing, 1 everything.

    SD(X, Y) = (|X n Y| / |X| + |X n Y| / |Y|) / 2, where |X n Y| is the number of similar interest points.

    Paper:   [S §IV-B], unchanged; pictures without interest points, which it leaves open, have degree 0.
    Errors:  ValueError where more points are similar than a picture has.
    """
    if not 0 <= n_similar <= min(n_a, n_b):
        raise ValueError(f"{n_similar} similar points of {n_a} and {n_b}")
    return (n_similar / n_a + n_similar / n_b) / 2 if n_similar else 0.0
