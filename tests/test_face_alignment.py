"""The backend ``face-alignment`` with stand-in weights (see `stand_ins`): all but what the true weights know."""

from __future__ import annotations

import socket
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import stand_ins
from lipaccord.errors import BackendMissing
from lipaccord.landmarks import face_alignment, load_backend
from lipaccord.landmarks.face_alignment import FAN_FILE, S3FD_FILE, WEIGHTS, FaceAlignmentBackend
from lipaccord.records import FaceRegion, Frame


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr("face_alignment.utils.download_url_to_file", refuse)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("weights")
    return folder, stand_ins.save_weights(folder, stand_ins.fan_weights(), stand_ins.detector_weights())


def spots(*places: tuple[float, float], width: int = 128, height: int = 96) -> NDArray[np.uint8]:
    """Return a black picture with a red, a green and a blue spot."""
    y, x = np.mgrid[:height, :width]
    planes = [255 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 1.5**2)) for px, py in places]
    return np.stack(planes, axis=-1).astype(np.uint8)


def test_missing_weights_are_named_with_the_folder_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        BackendMissing, match=f"{FAN_FILE} and {S3FD_FILE} into {tmp_path}.*--weights.*downloads nothing"
    ):
        load_backend("face-alignment", tmp_path)
    (tmp_path / FAN_FILE).touch()
    with pytest.raises(BackendMissing, match=f"put {S3FD_FILE} into"):
        load_backend("face-alignment", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FAN_FILE]


def test_without_a_folder_the_hub_cache_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(BackendMissing, match=f"into {tmp_path}/hub/checkpoints,"):
        load_backend("face-alignment")
    assert not list(tmp_path.iterdir())


def test_a_folder_in_the_place_of_a_file_is_missing_weights(tmp_path: Path) -> None:
    (tmp_path / S3FD_FILE).mkdir()
    with pytest.raises(BackendMissing, match=f"{FAN_FILE} and {S3FD_FILE}"):
        face_alignment.create(tmp_path)


def test_the_published_hashes_are_those_in_the_file_names() -> None:
    for name, sha256 in WEIGHTS.items():
        assert len(sha256) == 64
        assert sha256[:10] in name


def test_other_weights_under_the_true_names_are_damaged(weights: tuple[Path, dict[str, str]]) -> None:
    folder, _ = weights
    with pytest.raises(BackendMissing, match=f"{FAN_FILE} are damaged: their hash differs; get the file again"):
        face_alignment.create(folder)


class Intruder:
    """Runs code when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_a_file_that_would_run_code_is_refused_even_with_the_right_hash(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    hashes = stand_ins.save_weights(tmp_path, Intruder(mark), {})
    with pytest.raises(BackendMissing, match="are not plain tensors for the networks of face-alignment"):
        face_alignment._from_folder(tmp_path, hashes)
    assert not mark.exists()


@pytest.mark.parametrize("content", [{}, [1.0], {"conv1.weight": torch.zeros(3)}, stand_ins.detector_weights()])
def test_tensors_that_do_not_fit_are_refused(tmp_path: Path, content: Any) -> None:
    hashes = stand_ins.save_weights(tmp_path, content, stand_ins.detector_weights())
    with pytest.raises(BackendMissing, match=f"{FAN_FILE} are not plain tensors for the networks"):
        face_alignment._from_folder(tmp_path, hashes)


def test_loaded_weights_find_the_chosen_places(weights: tuple[Path, dict[str, str]]) -> None:
    folder, hashes = weights
    before = torch.random.get_rng_state()
    backend = face_alignment._from_folder(folder, hashes)
    assert torch.equal(torch.random.get_rng_state(), before), "loading drew random numbers"
    package = metadata.version("face-alignment")
    assert backend.version == f"{package} {hashes[FAN_FILE][:12]} {hashes[S3FD_FILE][:12]}"

    image = np.zeros((96, 128, 3), np.uint8)
    image[40:44, 60:64] = 255  # one cell of the detector: its centre is the pixel edge (62, 42)
    (region,) = backend.detect(Frame(0, 0.0, image))
    side = 4 * stand_ins.CELL
    assert region.center_x == pytest.approx(61.5)
    assert region.center_y == pytest.approx(41.5 - 0.12 * side)
    assert region.size == pytest.approx(200 / 195 * 2 * side)
    assert region.score == pytest.approx(1 / (1 + np.exp(-5)), abs=1e-3)

    red, green, blue = (45.0, 30.0), (71.5, 38.25), (58.0, 62.0)
    points = backend.locate(Frame(1, 0.04, spots(red, green, blue)), FaceRegion(60.0, 44.0, 80.0, 0.0, 1.0))
    assert points is not None
    assert points.depth is None
    for indices, place in ((stand_ins.RED, red), (stand_ins.GREEN, green), (stand_ins.BLUE, blue)):
        np.testing.assert_allclose(points.xy[list(indices)], np.tile(place, (len(indices), 1)), atol=0.5)


@pytest.fixture(scope="module")
def stand_in() -> FaceAlignmentBackend:
    return stand_ins.backend()


@pytest.fixture(scope="module")
def noise() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [40.0, 150.0, 700.0])
@pytest.mark.parametrize("roll", [0.0, 0.4, -2.0])
def test_heat_maps_are_read_below_the_cell_and_turned_back(
    stand_in: FaceAlignmentBackend, noise: NDArray[np.uint8], size: float, roll: float
) -> None:
    region = FaceRegion(203.3, 148.9, size, roll, 1.0)
    points = stand_in.locate(Frame(0, 0.0, noise), region)
    assert points is not None
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    wanted = (stand_ins.template() - 0.5) * size @ turn.T + (203.3, 148.9)
    np.testing.assert_allclose(points.xy, wanted, atol=size * 2e-5)


def test_the_score_is_the_mean_peak(stand_in: FaceAlignmentBackend) -> None:
    scores = []
    for contrast in (20, 40, 200):
        image = np.full((100, 100, 3), 20, np.uint8)
        image[:, 50:] += np.uint8(contrast)
        points = stand_in.locate(Frame(0, 0.0, image), FaceRegion(49.5, 49.5, 100.0, 0.0, 1.0))
        scores.append(0.0 if points is None else points.score)
    assert scores[0] == 0.0
    assert scores[1] == pytest.approx(4 * 20 / 255, rel=0.15)
    assert scores[2] == pytest.approx(0.9, rel=0.05)


def test_the_square_of_the_points_is_the_square_they_came_from(
    stand_in: FaceAlignmentBackend, noise: NDArray[np.uint8]
) -> None:
    region = FaceRegion(200.0, 150.0, 120.0, 0.0, 1.0)
    points = stand_in.locate(Frame(0, 0.0, noise), region)
    assert points is not None
    followed = stand_in.follow(points)
    assert followed.roll_rad == 0.0
    found = (followed.center_x, followed.center_y, followed.size)
    assert found == pytest.approx((200.0, 150.0, 120.0), abs=0.05)
