"""Decoded frames -> RGB images for display.

Pictures become full-range RGB with 8 bits. The colour matrix is the one that the stream names; where it names
none, BT.709 for pictures of more than 576 lines or 1,024 columns and BT.601 for smaller ones, as broadcasters use
them. A stream that does not name its range has limited range.

Conventions: images are uint8 [shape=(height, width, 3)]; turns are clockwise. Conversion is bilinear in the
colour planes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import cast

import av
import numpy as np
from av.sidedata.sidedata import SideData, Type
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from lipaccord._tally import count
from lipaccord.records import Image

MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
"""The matrix coefficients of ITU-T H.273 by number."""

SMALL_LINES, SMALL_COLUMNS = 576, 1024
RANGES = {0: "unspecified", 1: "limited", 2: "full"}
# FFmpeg's exact conversion costs 8 ms more for a frame of 720p; this one is off by one grey level on average (0.4 rms
# about that in luma), the same on every run.
CONVERSION = Interpolation.BILINEAR
DISPLAY_MATRIX = Type.DISPLAYMATRIX


class Painter:
    """Turns decoded frames into RGB images, and remembers what the first one was like."""

    def __init__(self, threads: int) -> None:
        self.pixel_format = self.color_range = ""
        self.width = self.height = self.rotation_deg = 0
        self._threads = threads
        self._reformatter = VideoReformatter()
        self._mirrored = False
        self._asked: int | None = None
        self._turn = (False, 0)
        self._corrupt = self._interlaced = self._resized = 0

    def paint(self, frame: av.VideoFrame) -> Image:
        """Return the frame as an image for display [shape=(height, width, 3)]."""
        full = frame.format.is_rgb or frame.format.name.startswith("yuvj") or frame.color_range == ColorRange.JPEG
        small = frame.height <= SMALL_LINES and frame.width <= SMALL_COLUMNS
        picture = self._reformatter.reformat(
            frame,
            format="rgb24",
            src_colorspace=MATRICES.get(frame.colorspace, Colorspace.ITU601 if small else Colorspace.ITU709),
            src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=CONVERSION,
            threads=self._threads,
        )
        # A frame whose side data were asked for is freed late, so they are read only where the turn is new.
        if frame.rotation != self._asked:
            self._asked, self._turn = frame.rotation, _display_turn(frame)
        mirrored, quarters = self._turn
        pixels = picture.to_ndarray()
        image = cast("Image", np.rot90(pixels[:, ::-1] if mirrored else pixels, -quarters))
        if not self.pixel_format:
            self.pixel_format = frame.format.name
            self.color_range = "full" if full else RANGES.get(frame.color_range, "unspecified")
            self.height, self.width = image.shape[:2]
            self.rotation_deg, self._mirrored = 90 * quarters, mirrored
        self._corrupt += frame.is_corrupt
        self._interlaced += frame.interlaced_frame
        self._resized += image.shape[:2] != (self.height, self.width)
        return image

    def notes(self) -> list[str]:
        """Tell what is odd about the images."""
        notes = []
        if self._mirrored:
            notes.append("the picture was mirrored, as the container asks")
        if self._interlaced:
            notes.append(f"{count(self._interlaced, 'frame')} interlaced: the two fields were left woven")
        if self._resized:
            notes.append(f"{count(self._resized, 'frame')} of another size than the first one")
        if self._corrupt:
            notes.append(f"{count(self._corrupt, 'frame')} damaged and patched up by the decoder")
        return notes


def _display_turn(frame: av.VideoFrame) -> tuple[bool, int]:
    """Return whether to mirror left and right, and then by how many quarters to turn clockwise.

    The display matrix takes the stored point (x, y) to (a x + c y, b x + d y), with y down (ISO/IEC 14496-12).
    """
    matrix = next((data for data in cast("Iterable[SideData]", frame.side_data) if data.type == DISPLAY_MATRIX), None)
    if matrix is None:
        return False, 0
    a, b, _, c, d = (int(v) for v in np.frombuffer(bytes(matrix), np.int32)[:5])
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    return mirrored, round(math.atan2(b, a) / (math.pi / 2)) % 4
