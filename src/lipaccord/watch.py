"""One face, frame by frame -> the rows of its texture and of every probe, and crops for the splice network.

A `FaceWatch` is fed while the video is decoded, always in the order of the frames; it keeps numbers, a bounded
number of crops and, for the moment until the next frame, one view.
"""

from __future__ import annotations

import numpy as np

from lipaccord.crops import CropSampler
from lipaccord.records import (
    FaceCrops,
    FacePoints,
    FaceTrack,
    FaceView,
    Frame,
    LandmarkLayout,
    MouthMotion,
    Probe,
    ProbeTrack,
    TextureTrack,
)
from lipaccord.rows import RowLog
from lipaccord.texture import TextureLog, TextureMeter, texture_track
from lipaccord.views import face_view


class FaceWatch:
    """Measures one face of a clip.

    Parameters
    ----------
    layout : LandmarkLayout
        Of the points that `look` will be given.
    probes : dict of str to Probe
        By the name of their cue; made for this face alone.
    """

    def __init__(self, layout: LandmarkLayout, probes: dict[str, Probe]) -> None:
        self._layout = layout
        self._probes = probes
        self._meter = TextureMeter(layout)
        self._texture = TextureLog()
        self._width = sum(len(probe.columns) for probe in probes.values())
        self._rows = RowLog(max(1, self._width))
        self._frames: list[int] = []
        self._crops = CropSampler()
        self._previous: FaceView | None = None

    def look(self, frame: Frame, points: FacePoints) -> None:
        """Measure the face in a frame."""
        self._texture.add(frame.index, self._meter.measure(frame.image, points))
        view = face_view(self._layout, frame, points)
        if view is None:
            return
        previous = self._previous
        if previous is not None and previous.frame != view.frame - 1:
            previous = None
        self._frames.append(view.frame)
        self._rows.append(*(probe.measure(view, previous) for probe in self._probes.values()))
        self._crops.feed(view, previous)
        self._previous = view

    def texture(self, track: FaceTrack, mouth: MouthMotion) -> TextureTrack:
        """Return the texture on the track's clock; it can be taken once."""
        return texture_track(self._texture.take(track.frames), track, mouth)

    def crops(self) -> dict[str, FaceCrops]:
        """Return the crops by scope; they can be taken once."""
        return self._crops.take()

    def probes(self, track: FaceTrack) -> dict[str, ProbeTrack]:
        """Return what the probes measured, on the track's clock; it can be taken once."""
        self._previous = None
        place = {int(frame): row for row, frame in enumerate(track.frames)}
        rows = np.array([place.get(frame, -1) for frame in self._frames], np.int64)
        values = {
            name: np.full((len(track.frames), len(probe.columns)), np.nan, np.float32)
            for name, probe in self._probes.items()
        }
        for part, block in self._rows.take(len(self._rows)):
            kept, start = rows[part] >= 0, 0
            for measured in values.values():
                stop = start + measured.shape[1]
                measured[rows[part][kept]] = block[kept, start:stop]
                start = stop
        return {name: ProbeTrack(track.times_s, self._probes[name].columns, one) for name, one in values.items()}
