"""How long things took."""

import math
from collections.abc import Sequence


def percentile(seconds: Sequence[float], share: float) -> float:
    """The least of the values that so large a share of all does not exceed; 0 of none."""
    ordered = sorted(seconds)
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1] if ordered else 0.0
