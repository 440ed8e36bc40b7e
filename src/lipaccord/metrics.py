"""How well a score tells two classes apart: pure functions.

Conventions: scores are larger = more suspicious; `positives` are scores of the suspicious class, `negatives` of the
other. Ties count half.

Metrics: area under the ROC curve (Mann-Whitney statistic), equal error rate (crossing of the two error rates on the
convex hull of the ROC, so that it does not depend on how ties fall).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.stats import rankdata

from lipaccord.records import FloatArray

Scores = Sequence[float] | NDArray[np.float64] | FloatArray


def _checked(scores: Scores, name: str) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"{name} must be a non-empty list of finite scores")
    return values


def auc(positives: Scores, negatives: Scores) -> float:
    """Chance that a positive scores higher than a negative; 0.5 is guessing, 1 perfect."""
    high, low = _checked(positives, "positives"), _checked(negatives, "negatives")
    ranks = rankdata(np.concatenate([high, low]))
    return float((ranks[: len(high)].sum() - len(high) * (len(high) + 1) / 2) / (len(high) * len(low)))


def eer(positives: Scores, negatives: Scores) -> float:
    """Error rate at the threshold where misses and false alarms are equally frequent, on the ROC's convex hull."""
    high, low = _checked(positives, "positives"), _checked(negatives, "negatives")
    thresholds = np.unique(np.concatenate([high, low, [np.inf]]))
    missed = np.searchsorted(np.sort(high), thresholds) / len(high)
    alarms = 1.0 - np.searchsorted(np.sort(low), thresholds) / len(low)
    points = np.column_stack([np.concatenate([alarms, [1.0]]), np.concatenate([missed, [1.0]])])
    corner = points[np.lexsort((points[:, 0], points[:, 1]))]
    hull = corner[ConvexHull(corner).vertices]
    best = 1.0
    for (x0, y0), (x1, y1) in zip(hull, np.roll(hull, -1, axis=0), strict=True):
        if (x0 - y0) * (x1 - y1) <= 0 and (x0 - y0) != (x1 - y1):
            share = (x0 - y0) / ((x0 - y0) - (x1 - y1))
            best = min(best, x0 + share * (x1 - x0))
    return float(best)
