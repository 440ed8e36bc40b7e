from __future__ import annotations

import numpy as np

from lipaccord.source.alignment import Alignment, SoundAgreement, Stretch


def test_an_alignment_tells_where_the_clip_lies() -> None:
    stretches = (Stretch(0.0, 1.0, 5.0, 6.0), Stretch(1.5, 2.5, 2.0, 2.5))
    sound = SoundAgreement(None, float("nan"), 0.0, 0.0)
    laid = Alignment(stretches, False, 1.0, 50.0, -6.0, {}, {}, sound, ())
    found = laid.source_s(np.array([-0.1, 0.5, 1.2, 2.0]))
    assert np.isnan(found[[0, 2]]).all()
    assert found[[1, 3]].tolist() == [5.5, 2.25]
