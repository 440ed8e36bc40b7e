"""What several cues lack in the same way: one code, one wording and one remedy for each such abstention.

Conventions: a text says what is lacking, with the figure; a remedy what the user can do about it: another stretch of
the clip, another copy of it, another face, other landmarks.
"""

from __future__ import annotations

import numpy as np

from lipaccord.records import FloatArray, Reason

LONGER = "use a longer stretch, or another one, in which this face is uncovered and looks towards the camera"
LARGER = "use a copy with more pixels, at best the original recording; to enlarge this one does not help"


def too_few_frames(found: int, needed: int, show: str, remedy: str = LONGER) -> Reason:
    """Say that too few frames show what is measured.

    Parameters
    ----------
    found, needed : int
    show : str
        Which frames, with the noun and the verb (``frames show the face well enough``).
    remedy : str
    """
    return Reason("too_few_frames", f"Only {found} {show}; {needed} are needed.", remedy)


def too_small(eyes_px: FloatArray, needed_px: float, needs: str) -> Reason | None:
    """Say that the face is too small, or nothing where it is large enough or was never seen.

    Parameters
    ----------
    eyes_px : ndarray [shape=(T,)]
        Distance between the eyes in pixels, NaN where unseen.
    needed_px : float
    needs : str
        Who needs that, with the verb (``teeth need``).
    """
    sizes = eyes_px[np.isfinite(eyes_px)]
    if not sizes.size or np.median(sizes) >= needed_px:
        return None
    found = f"The eyes are {np.floor(np.median(sizes)):.0f} pixels apart"
    return Reason("too_small", f"{found}; {needs} at least {needed_px:.0f}.", LARGER)


def other_landmarks(layout: str, lack: str) -> Reason:
    """Say that the landmarks are not those that the measure was made for.

    Parameters
    ----------
    layout : str
        Name of the layout of the landmarks.
    lack : str
        What these landmarks lack, with the verb (``have no outline of the face``).
    """
    return Reason("other_landmarks", f"The landmarks {layout} {lack}.", "use the landmarks of --landmarks mediapipe")
