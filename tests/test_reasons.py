from __future__ import annotations

import numpy as np

from lipaccord.cues.reasons import LARGER, LONGER, other_landmarks, too_few_frames, too_small

SIZES = np.array([19.9, np.nan, 19.9, 25.0], np.float32)
NOTHING = np.full(3, np.nan, np.float32)


def test_a_small_face_is_named_with_its_size_rounded_down() -> None:
    reason = too_small(SIZES, 20.0, "teeth need")
    assert reason is not None
    assert (reason.code, reason.remedy) == ("too_small", LARGER)
    assert reason.text == "The eyes are 19 pixels apart; teeth need at least 20."


def test_a_face_that_is_large_enough_or_was_never_seen_is_not_small() -> None:
    assert too_small(SIZES, 19.9, "teeth need") is None
    assert too_small(NOTHING, 20.0, "teeth need") is None


def test_too_few_frames_are_counted() -> None:
    reason = too_few_frames(3, 20, "frames show the face")
    assert (reason.code, reason.remedy) == ("too_few_frames", LONGER)
    assert reason.text == "Only 3 frames show the face; 20 are needed."
    assert too_few_frames(3, 20, "frames show the face", "use another copy").remedy == "use another copy"


def test_other_landmarks_are_named() -> None:
    reason = other_landmarks("ibug-68", "have no outline of the face")
    assert (reason.code, reason.text) == ("other_landmarks", "The landmarks ibug-68 have no outline of the face.")
    assert "--landmarks mediapipe" in reason.remedy
