from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from clips import Samples, flat, numbered, tone, write_clip
from lipaccord import corruptions, treatments
from lipaccord.corruptions import CORRUPTIONS
from lipaccord.errors import SettingsError, UnreadableMedia
from lipaccord.media import open_clip
from lipaccord.records import Clip, Frame, Image, Sound
from lipaccord.treatments import RUNGS, TREATMENTS, Treatment, on_display, recipe, treat, treatment_named

RATE = 16_000
SHOWN, GROWING = 50, 30  # pictures, 25 a second

FAMILIES: dict[str, list[Treatment]] = {}
for _treatment in TREATMENTS.values():
    FAMILIES.setdefault(_treatment.family, []).append(_treatment)
HARSHEST = {family: steps[-1] for family, steps in FAMILIES.items()} | {"matched": RUNGS[-1]}
RETIMED = {"rate", "edges"}


def bursts(duration_s: float, rate: int) -> Samples:
    """Return bursts of noise of 50 ms, each unlike the others, with pauses: sound whose place is plain."""
    rng = np.random.default_rng(0)
    times = np.arange(round(duration_s * rate)) / rate
    envelope = np.maximum(0, np.sin(2 * np.pi * times * (5 + times))) ** 2
    return (0.2 * envelope * rng.standard_normal(len(times))).astype(np.float32)


def ramp() -> Iterator[Image]:
    """Yield pictures of which each is lighter than the one before."""
    for number in range(GROWING):
        yield flat(20 + 6 * number, width=192, height=176)


def coded(count: int = SHOWN) -> Iterator[Image]:
    """Yield pictures that tell their number by the levels of their halves."""
    for number in range(count):
        picture = flat(20 + 28 * (number % 8), width=96, height=80)
        picture[40:] = 20 + 28 * (number // 8)
        yield picture


def numbers(frames: Sequence[Frame]) -> list[int]:
    """Read the numbers of pictures of `coded`."""
    halves = [(frame.image[:36].mean(), frame.image[44:].mean()) for frame in frames]
    return [round((low - 20) / 28) + 8 * round((high - 20) / 28) for low, high in halves]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make 1.2 seconds of pictures that grow lighter."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(path, frames=ramp(), sound=bursts(1.2, RATE), sound_rate=RATE, options={"crf": "1"})
    return path


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make two seconds of pictures that tell their number."""
    path = tmp_path_factory.mktemp("counted") / "clip.mp4"
    write_clip(path, frames=coded(), sound=bursts(2.0, RATE), sound_rate=RATE, options={"crf": "1"})
    return path


@pytest.fixture(scope="module")
def textured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a fifth of a second of pictures with detail."""
    path = tmp_path_factory.mktemp("textured") / "clip.mp4"
    rng = np.random.default_rng(0)
    pictures = (
        np.clip(picture + rng.normal(0, 6, picture.shape), 0, 255).astype(np.uint8)
        for picture in numbered(5, width=192, height=176)
    )
    write_clip(path, frames=pictures, sound=bursts(0.2, RATE), sound_rate=RATE, options={"crf": "1"})
    return path


def read(path: Path) -> tuple[list[Frame], Sound, Clip]:
    with open_clip(path) as reader:
        sound, frames = reader.sound(), list(reader.frames())
        return frames, sound, reader.clip()


def treated(path: Path, treatment: Treatment, tmp_path: Path) -> tuple[list[Frame], Sound, Clip]:
    out = tmp_path / f"{treatment.name}.mp4"
    treat(path, treatment, out)
    return read(out)


def times(frames: Sequence[Frame]) -> list[float]:
    return [frame.time_s for frame in frames]


def lag_s(sound: Sound, other: Sound) -> float:
    """Time by which `sound` comes later than `other` on their clocks, between samples too."""
    count = 2 * max(len(sound.samples), len(other.samples))
    product = np.conj(np.fft.rfft(other.samples, count)) * np.fft.rfft(sound.samples, count)
    fine = 8
    agreement = np.fft.irfft(np.append(product, np.zeros((fine - 1) * count // 2)), fine * count)
    peak = int(np.argmax(agreement))
    lag = peak - fine * count if peak > fine * count // 2 else peak
    return lag / fine / RATE + sound.start_s - other.start_s


def test_names_are_fit_for_files_and_severities_count_from_one() -> None:
    for name, treatment in TREATMENTS.items():
        assert treatment.name == name
        assert re.fullmatch(r"[a-z0-9]+([-.][a-z0-9]+)*", name)
        assert treatment.meaning
    for steps in (*FAMILIES.values(), RUNGS):
        assert [step.severity for step in steps] == list(range(1, len(steps) + 1))
        assert len({step.name for step in steps}) == len(steps)


def test_a_rung_and_a_treatment_of_one_name_are_one_encode() -> None:
    for rung in RUNGS:
        named = treatment_named(rung.name)
        if named is not rung:
            assert rung == replace(named, family=rung.family, severity=rung.severity)
    assert {rung.name for rung in RUNGS} & TREATMENTS.keys() == {"crf18"}


def test_what_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(SettingsError, match=r"no treatment 'blur-6'; there are: crf18, .*edges-cut"):
        treatment_named("blur-6")


@pytest.mark.parametrize("family", HARSHEST)
def test_picture_and_sound_keep_their_places(clip: Path, tmp_path: Path, family: str) -> None:
    before, sound, _ = read(clip)
    after, heard, facts = treated(clip, HARSHEST[family], tmp_path)
    assert abs(lag_s(heard, sound)) < 0.001
    if family not in RETIMED:
        np.testing.assert_allclose(times(after), times(before), atol=1e-6)
        levels = [frame.image.mean() for frame in after]
        assert np.argsort(levels).tolist() == list(range(GROWING))  # no picture took another's place
        assert facts.video.counted_duration_s == pytest.approx(1.2, abs=1e-6)
        assert heard.start_s == pytest.approx(sound.start_s, abs=1e-6)
        assert heard.duration_s == pytest.approx(sound.duration_s, abs=0.07)  # the last block is filled up


@pytest.mark.parametrize("family", [family for family in FAMILIES if family in {*CORRUPTIONS, "h264"}])
def test_each_severity_loses_more_of_the_picture(textured: Path, tmp_path: Path, family: str) -> None:
    before, _, _ = read(textured)
    errors = [
        np.mean([(a.image.astype(float) - b.image) ** 2 for a, b in zip(after, before, strict=True)])
        for after, _, _ in (treated(textured, step, tmp_path) for step in FAMILIES[family])
    ]
    assert all(milder < 0.95 * harsher for milder, harsher in pairwise(errors)), errors


def test_compression_is_the_encoder_s_own(textured: Path, tmp_path: Path) -> None:
    for name in ("compression-4", "crf38"):
        treat(textured, treatment_named(name), tmp_path / name)
    assert (tmp_path / "compression-4").read_bytes() == (tmp_path / "crf38").read_bytes()
    assert [step.crf for step in FAMILIES["compression"]] == [30, 32, 35, 38, 40]


def test_each_lower_bit_rate_loses_more_of_the_sound(counted: Path, tmp_path: Path) -> None:
    _, sound, _ = read(counted)
    ratios = []
    for step in FAMILIES["aac"]:
        _, heard, facts = treated(counted, step, tmp_path)
        assert facts.audio.sample_rate_hz == treatments.SHARED_RATE_HZ
        lost = heard.samples[: len(sound.samples)] - sound.samples
        ratios.append(10 * np.log10(np.mean(sound.samples**2) / np.mean(lost**2)))
    assert all(gentler > harsher + 1 for gentler, harsher in pairwise(ratios)), ratios


@pytest.mark.parametrize(("scale", "size"), [(0.75, (132, 144)), (0.5, (88, 96)), (0.35, (62, 66))])
def test_pictures_are_stored_smaller(textured: Path, tmp_path: Path, scale: float, size: tuple[int, int]) -> None:
    after, _, _ = treated(textured, treatment_named(f"size-{scale:g}"), tmp_path)
    assert after[0].image.shape[:2] == size


@pytest.mark.parametrize("step", FAMILIES["rate"], ids=lambda step: step.name)
def test_at_each_time_the_picture_on_display_is_taken(counted: Path, tmp_path: Path, step: Treatment) -> None:
    before, _, _ = read(counted)
    after, _, facts = treated(counted, step, tmp_path)
    assert step.rate_hz is not None
    np.testing.assert_allclose(times(after), np.arange(2 * step.rate_hz) / step.rate_hz, atol=1e-6)
    assert facts.video.counted_duration_s == pytest.approx(2.0, abs=1e-5)
    on_screen = np.searchsorted(times(before), np.array(times(after)) + 1e-6, side="right") - 1
    assert numbers(after) == on_screen.tolist()


def shots(*times_s: float) -> list[Frame]:
    return [Frame(number, time, flat(number)) for number, time in enumerate(times_s)]


def taken(frames: Sequence[Frame], rate_hz: float) -> list[tuple[float, int]]:
    shown = list(on_display(frames, rate_hz))
    assert [frame.index for frame in shown] == list(range(len(shown)))
    return [(round(frame.time_s, 6), int(frame.image[0, 0, 0])) for frame in shown]


def test_an_unsteady_rate_becomes_steady() -> None:
    frames = shots(0.7, 0.71, 0.95, 1.0, 1.32)
    shown = dict(taken(frames, 10))
    assert list(shown) == pytest.approx([0.7 + number / 10 for number in range(10)])
    assert list(shown.values()) == [0, 1, 1, 3, 3, 3, 3, 4, 4, 4]


def test_times_that_a_container_rounded_do_not_cost_a_picture() -> None:
    rounded = [round(number / 30, 3) for number in range(30)]
    assert [picture for _, picture in taken(shots(*rounded), 15)] == list(range(0, 30, 2))
    assert [picture for _, picture in taken(shots(*rounded), 30)] == list(range(30))


def test_one_picture_stays_one_and_none_none() -> None:
    assert taken(shots(0.4), 12) == [(0.4, 0)]
    assert taken([], 12) == []


@pytest.mark.parametrize("name", [f"{kind}-{db}db" for kind in ("noise", "music") for db in (20, 10, 5, 0)])
def test_sound_is_added_at_its_ratio(name: str) -> None:
    sound = Sound(np.concatenate([tone(1.0, RATE, level=0.05), np.zeros(RATE, np.float32)]), RATE, 0.0)
    added = treatment_named(name).heard(sound).samples - sound.samples
    ratio_db = float(name.split("-")[1].removesuffix("db"))
    assert 10 * np.log10(0.05**2 / 2 / np.mean(added**2)) == pytest.approx(ratio_db, abs=0.2)


def test_both_ends_are_cut_off(counted: Path, tmp_path: Path) -> None:
    after, heard, facts = treated(counted, treatment_named("edges-cut"), tmp_path)
    assert times(after) == pytest.approx([0.52 + number / 25 for number in range(25)], abs=1e-6)
    assert numbers(after) == list(range(13, 38))
    assert facts.video.counted_duration_s == pytest.approx(1.0, abs=1e-6)
    end_s = heard.start_s + heard.duration_s
    assert end_s == pytest.approx(1.5, abs=1024 / RATE)  # the last block is filled up
    inside = heard.samples[round((0.51 - heard.start_s) * RATE) : round((1.49 - heard.start_s) * RATE)]
    outside = heard.samples[: round((0.49 - heard.start_s) * RATE)]
    assert np.abs(inside).max() > 0.2
    assert len(outside) == 0 or np.abs(outside).max() < 0.02


@pytest.mark.parametrize("sound_start_s", [0.0, 0.0137, 0.9001])
def test_a_cut_keeps_the_offset_to_the_microsecond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sound_start_s: float
) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(
        path,
        frames=coded(40),
        rate=Fraction(24000, 1001),
        start_s=0.2,
        sound=bursts(2.0, 44_100),
        sound_rate=44_100,
        sound_start_s=sound_start_s,
    )
    frames, sound, _ = read(path)
    given: list[tuple[list[Frame], Sound]] = []
    monkeypatch.setattr(treatments, "encode", lambda out, frames, sound, **options: given.append((list(frames), sound)))
    treat(path, treatment_named("edges-cut"), tmp_path / "out.mp4")
    [(cut, heard)] = given
    assert heard.start_s * RATE == pytest.approx(round(heard.start_s * RATE), abs=1e-6)
    kept = [frame for frame in frames if 0.5 <= frame.time_s - frames[0].time_s < 40 * 1.001 / 24 - 0.5]
    assert len(cut) == len(kept)
    moved = [after.time_s - before.time_s for after, before in zip(cut, kept, strict=True)]
    assert np.ptp(moved) < 1e-6
    first = round((heard.start_s - moved[0] - sound.start_s) * RATE)
    np.testing.assert_array_equal(heard.samples, sound.samples[first : first + len(heard.samples)])
    assert heard.start_s - (sound.start_s + first / RATE) == pytest.approx(moved[0], abs=1e-6)
    begins_s, ends_s = frames[0].time_s + 0.5, frames[0].time_s + 40 * 1.001 / 24 - 0.5
    assert heard.start_s == pytest.approx(max(begins_s, sound.start_s), abs=1.5 / RATE)
    assert heard.start_s + heard.duration_s == pytest.approx(ends_s, abs=1.5 / RATE)


def test_a_clip_that_is_too_short_is_not_cut(textured: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"shows 0.20 s: too little to cut 0.5 s off each end"):
        treat(textured, treatment_named("edges-cut"), tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["gaussian-noise-3", "blocks-2", "noise-5db", "music-5db", "aac32"])
def test_the_same_clip_gives_the_same_bytes(textured: Path, tmp_path: Path, name: str) -> None:
    for number in (1, 2):
        treat(textured, treatment_named(name), tmp_path / f"{number}.mp4")
    assert (tmp_path / "1.mp4").read_bytes() == (tmp_path / "2.mp4").read_bytes()


def test_chance_comes_of_the_name_and_the_frame() -> None:
    grey = [Frame(number, number / 25, flat(128)) for number in (0, 1)]
    [first, second] = treatment_named("gaussian-noise-1").pictures(grey)
    assert not np.array_equal(first.image, second.image)
    [alone] = treatment_named("gaussian-noise-1").pictures(grey[1:])
    np.testing.assert_array_equal(alone.image, second.image)
    [renamed, _] = replace(treatment_named("gaussian-noise-1"), name="other").pictures(grey)
    assert not np.array_equal(first.image, renamed.image)


@pytest.mark.parametrize("family", HARSHEST)
def test_pictures_are_treated_as_they_come(family: str) -> None:
    pulled: list[int] = []

    def coming() -> Iterator[Frame]:
        for number in range(20):
            pulled.append(number)
            yield Frame(number, number / 25, flat(128))

    next(HARSHEST[family].pictures(coming()))
    assert len(pulled) <= 3


def test_a_recipe_is_of_the_treatment_and_the_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recipes = {recipe(treatment) for treatment in (*TREATMENTS.values(), *RUNGS[1:])}
    assert len(recipes) == len(TREATMENTS) + len(RUNGS) - 1
    other = tmp_path / "corruptions.py"
    other.write_text("other code")
    treatments._makers.cache_clear()
    monkeypatch.setattr(corruptions, "__file__", str(other))
    changed = recipe(RUNGS[0])
    treatments._makers.cache_clear()
    assert changed not in recipes
    assert changed.startswith("crf18|")


def test_an_encode_keeps_frames_times_and_sound_of_a_part(fixture_clip: Callable[[str], Path], tmp_path: Path) -> None:
    path, out = fixture_clip("synthetic_variable_rate"), tmp_path / "out.mp4"
    treat(path, treatment_named("crf31"), out, end_s=0.6)
    before, after = [frame for frame in read(path)[0] if frame.time_s < 0.6], read(out)[0]
    assert [frame.index for frame in after] == [frame.index for frame in before]
    np.testing.assert_allclose(times(after), times(before), atol=1e-3)
    assert after[0].image.shape == before[0].image.shape
    assert read(out)[1].duration_s == pytest.approx(0.6, abs=0.1)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.mp4"]


def test_what_can_not_be_read_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text("no clip")
    for name in ("crf18", "edges-cut"):
        with pytest.raises(UnreadableMedia):
            treat(path, treatment_named(name), tmp_path / "out.mp4")
    assert [entry.name for entry in tmp_path.iterdir()] == ["clip.mp4"]
