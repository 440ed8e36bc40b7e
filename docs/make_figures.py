"""Draw the pictures of docs/method.md from the project's own fixtures.

    python docs/make_figures.py        # writes docs/figures

Everything is drawn by the code that measures: outlines, masks, rings and maps are those of the package (only
``flow.svg`` is written by hand). The face is that of the fixture ``synthetic``, a public-domain photograph whose mouth
is drawn. It needs what the tests need.

Conventions: pictures are RGB until they are written; the photograph is shown in a few grey levels, so that the files
stay small.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import lipaccord
from lipaccord.crops import CELL, SCOPES, crop_pair
from lipaccord.cues import blur, boundary
from lipaccord.faces import FaceTracker
from lipaccord.landmarks import load_backend
from lipaccord.media import open_clip
from lipaccord.outlines import rays
from lipaccord.records import FaceView, Frame
from lipaccord.regions import REGIONS
from lipaccord.views import EYES_PX, face_view

sys.path.insert(0, str(Path(__file__).parent.parent / "fixtures"))
from make_fixtures import make  # it lies beside the package, not in it

FOLDER = Path(__file__).parent / "figures"
FRAME = 60  # of the clip: the mouth is open
GREY_STEP = 10  # of 256 levels
GAP = 8  # pixels between panels
INK = (30, 30, 30)
COLOURS = ((213, 94, 0), (204, 121, 167), (0, 114, 178), (0, 158, 115), (240, 228, 66), (86, 180, 233), (230, 159, 0))
"""For the seven regions of the face, told apart by colour-blind eyes too (Okabe and Ito, 2008)."""

VOTES = (-4.0, 0.5)  # log odds: the ends of the colours of a map
CHANGE = (-1.0, 1.0)  # the same for what a manipulation changed
BELOW_EYES = 60  # row of the level copy from which the rings are shown

Picture = NDArray[np.uint8]


def _view(path: Path) -> FaceView:
    """Look at the face of a clip in one frame."""
    backend = load_backend("mediapipe")
    tracker = FaceTracker(backend, max_faces=1)
    with open_clip(path) as reader:
        for frame in reader.frames():
            (sighting,) = tracker.feed(frame)
            if frame.index == FRAME:
                view = face_view(backend.layout, Frame(frame.index, frame.time_s, frame.image), sighting.points)
                break
    if view is None:
        raise ValueError(f"{path} shows no face in frame {FRAME}")
    return view


def _grey(luma: NDArray[np.uint8], times: float = 1.0) -> Picture:
    """Enlarge a grey picture and show it in few levels [shape=(H, W, 3)]."""
    large = cv2.resize(luma, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
    few: Picture = (large // GREY_STEP * GREY_STEP + GREY_STEP // 2).astype(np.uint8)
    return np.asarray(cv2.cvtColor(few, cv2.COLOR_GRAY2RGB), np.uint8)


def _tinted(picture: Picture, share: NDArray[np.floating], colour: tuple[int, int, int]) -> Picture:
    """Lay a colour over a picture, `share` of it at each pixel."""
    mixed = picture * (1 - share[:, :, None]) + np.array(colour) * share[:, :, None]
    tinted: Picture = np.rint(mixed).astype(np.uint8)
    return tinted


def _titled(picture: Picture, title: str, scale: float = 0.45) -> Picture:
    """Put a line of text above a picture."""
    head = np.full((24, picture.shape[1], 3), 255, np.uint8)
    cv2.putText(head, title, (2, 16), cv2.FONT_HERSHEY_SIMPLEX, scale, INK, 1, cv2.LINE_AA)
    return np.vstack([head, picture])


def _write(name: str, *panels: Picture) -> None:
    """Write panels side by side."""
    height = max(len(panel) for panel in panels)
    white = [np.full((height, GAP, 3), 255, np.uint8)]
    parts: list[Picture] = []
    for panel in panels:
        parts += white * bool(parts) + [np.pad(panel, ((0, height - len(panel)), (0, 0), (0, 0)), constant_values=255)]
    file = FOLDER / name
    picture = cv2.cvtColor(np.hstack(parts), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(file), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def _legend(names: tuple[str, ...], height: int) -> Picture:
    """List what the colours stand for."""
    picture = np.full((height, 84, 3), 255, np.uint8)
    for row, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
        y = 14 + 20 * row
        cv2.rectangle(picture, (2, y - 9), (12, y + 1), colour, cv2.FILLED)
        cv2.putText(picture, name, (17, y), cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
    return picture


def draw_parts(view: FaceView) -> None:
    """Draw the regions of the face, and the two parts that each splice network compares."""
    regions = _grey(view.aligned_luma, 2)
    labels = cv2.resize(view.regions, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    for index, colour in enumerate(COLOURS):
        regions = _tinted(regions, 0.55 * (labels == index + 1), colour)
    panels = [_titled(regions, "regions"), _legend(REGIONS[: len(COLOURS)], len(regions))]
    for scope in SCOPES:
        pair, judged, reference = crop_pair(scope, view.layout, view.luma, view.luma, view.points)
        picture = _grey(pair[0])
        for part, colour in ((judged, COLOURS[0]), (reference, COLOURS[2])):
            cells = np.kron(part, np.ones((CELL, CELL))) / 255
            picture = _tinted(picture, 0.5 * cells, colour)
        panels.append(_titled(picture, f"scope {scope}"))
    _write("parts.png", *panels)


def draw_bands(view: FaceView) -> None:
    """Draw the four bands in which the cue `blur` compares sharpness."""
    panels = [_titled(_grey(view.luma), "luma")]
    luma = view.luma.astype(np.float32)
    for band in blur.BANDS:
        sigma = band * view.interocular_px
        finer, coarser = (cv2.GaussianBlur(luma, (0, 0), width) for width in (sigma, 2 * sigma))
        shown = np.clip(128 + 6 * (finer - coarser), 0, 255).astype(np.uint8)
        panels.append(_titled(_grey(shown), f"{band:g} eye distances"))
    _write("bands.png", *panels)


def draw_rings(view: FaceView) -> None:
    """Draw the outlines across which the cue `boundary` looks for a step, every second of each family."""
    times, panels = 2, []
    lines, normals = boundary._lines(view, EYES_PX)
    for family, points, normal, start in zip(boundary.FAMILIES, lines, normals, boundary.START, strict=True):
        picture = _grey(view.aligned_luma, times)
        distances = (start + boundary.GAP * np.arange(0, boundary.RINGS, 2, dtype=np.float32)) * np.float32(EYES_PX)
        for ring in rays(points, normal, distances).transpose(1, 0, 2):
            fixed = np.rint((ring + 0.5) * times * 16).astype(np.int32)
            cv2.polylines(picture, [fixed], family == "mouth", COLOURS[0], 1, cv2.LINE_AA, 4)
        panels.append(_titled(picture[BELOW_EYES * times :], family))
    _write("rings.png", *panels)


def _mapped(view: FaceView, votes: NDArray[np.floating], ends: tuple[float, float]) -> Picture:
    """Lay the colours of a map over the face as the network sees it."""
    picture = _grey(crop_pair("lower", view.layout, view.luma, view.luma, view.points)[0][0])
    cells = np.kron(votes, np.ones((CELL, CELL)))
    place = np.nan_to_num(np.clip((cells - ends[0]) / (ends[1] - ends[0]), 0, 1))
    colours = cv2.applyColorMap(np.rint(255 * place).astype(np.uint8), cv2.COLORMAP_VIRIDIS)[:, :, ::-1]
    share = 0.65 * np.isfinite(cells)[:, :, None]
    return np.rint(picture * (1 - share) + colours * share).astype(np.uint8)


def draw_map(names: dict[str, str]) -> None:
    """Draw what the lower-face network says by place of a clip as it is and of others, and what the first changed."""
    panels, maps = [], []
    for name, title in names.items():
        with tempfile.TemporaryDirectory() as folder:
            path = make(name, Path(folder))
            view = _view(path)
            finding = lipaccord.analyze(path).findings["resynthesis"]
        cue = next(cue for cue in finding.cues if cue.cue == "splice")
        maps.append(np.array([[np.nan if vote is None else vote for vote in row] for row in cue.details["map"]]))
        panels.append(_titled(_mapped(view, maps[-1], VOTES), f"{title}: {cue.score:+.1f}"))
    panels.append(_titled(_mapped(view, maps[1] - maps[0], CHANGE), "second less first"))
    _write("map.png", *panels)


def main() -> None:
    """Draw everything."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        view = _view(make("synthetic", Path(folder)))
    draw_parts(view)
    draw_bands(view)
    draw_rings(view)
    draw_map(
        {"synthetic": "as it is", "synthetic_mouth_blurred": "mouth blurred", "synthetic_frame_blurred": "all blurred"}
    )


if __name__ == "__main__":
    main()
