"""A file -> a `Clip`: one streamed decode of the picture, the sound at 16 kHz mono, facts claimed and counted.

    with open_clip("speech.mp4") as reader:
        sound = reader.sound()
        for frame in reader.frames():
            ...
        clip = reader.clip()

Decoding is FFmpeg's, through PyAV. Times are presentation times on the container's clock: edit lists, start times and
encoder priming are honoured, and picture and sound keep the offset that the container gives them. The memory in use
does not grow with the length of the picture; of the sound only the 16 kHz waveform is kept.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import closing
from types import TracebackType

import av
import numpy as np

from lipaccord import _tally
from lipaccord._claims import NO_STREAM, Claims, read_claims
from lipaccord._container import Damage, MediaFile, decode_from, hash_file, open_container, still_the_same
from lipaccord._picture import Painter
from lipaccord.errors import NoAudio, NoVideo, SettingsError, UnreadableMedia
from lipaccord.records import AudioFacts, Clip, Frame, Sound, VideoFacts
from lipaccord.sound import MAX_RATE_HZ, MIN_RATE_HZ, SOUND_RATE_HZ, SoundTrack, to_mono

__all__ = ["SOUND_RATE_HZ", "ClipReader", "open_clip"]

MAX_TIME_S = 1e7
"""About four months: no clip lasts longer, and any container's clock can count it."""

SILENCE = Sound(np.zeros(0, np.float32), SOUND_RATE_HZ, 0.0)


class ClipReader:
    """Reads one clip; a context manager, made by `open_clip`.

    Attributes
    ----------
    path : str
        As given by the caller.
    sha256 : str
        Of the whole file, in hexadecimal.
    """

    def __init__(
        self,
        file: MediaFile,
        claims: Claims,
        start_s: float | None,
        end_s: float | None,
        threads: int,
        needs_sound: bool = True,
    ) -> None:
        self.path = file.path
        self.sha256 = file.sha256
        self._file = file
        self._claims = claims
        self._start_s = start_s
        self._end_s = end_s
        self._threads = threads
        self._needs_sound = needs_sound
        self._painter = Painter(threads)
        self._decoding: Generator[Frame, None, None] | None = None
        self._sound: Sound | None = None
        self._audio: AudioFacts | None = None
        self._video: VideoFacts | None = None
        self._audio_notes: list[str] = []
        self._video_notes: list[str] = []
        self._block_s = 0.0

    def __enter__(self) -> ClipReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop decoding and close the file; what was read stays."""
        if self._decoding is not None:
            self._decoding.close()

    @property
    def claimed_duration_s(self) -> float | None:
        """Length of the picture by the header, for showing progress; None where it is silent."""
        return self._claims.video.duration_s

    def sound(self) -> Sound:
        """Return the whole sound, mono at `SOUND_RATE_HZ`; it is decoded once and kept.

        Of a clip that needs no sound (`open_clip`), and has none, it has no samples.

        Raises
        ------
        NoAudio
            The stream, or the part to examine, holds no sound.
        UnreadableMedia
            None of it decodes, its rate is absurd, or the file changed.
        """
        if self._sound is None:
            self._sound = self._decode_sound()
        return self._sound

    def frames(self) -> Iterator[Frame]:
        """Decode the picture once and yield its frames in the order of their times.

        Returns
        -------
        iterator of Frame
            Images of 8-bit full-range RGB, turned for display.

        Raises
        ------
        RuntimeError
            Called a second time.
        NoVideo
            The part to examine holds no picture.
        UnreadableMedia
            No frame decodes, or the file changed.
        """
        if self._decoding is not None:
            raise RuntimeError("frames() may be called once: open the clip again for a second decode")
        self._decoding = self._decode_frames()
        return self._decoding

    def clip(self) -> Clip:
        """Return the facts about the clip.

        Raises
        ------
        RuntimeError
            `frames` is not exhausted yet, or `sound` was not called, or there is no sound.
        UnreadableMedia
            The file changed while it was examined.
        """
        if self._video is None or self._audio is None or self._sound is None:
            raise RuntimeError("the facts are complete only after frames() is exhausted and sound() was called")
        self.check_unchanged()
        sound_end_s = self._sound.start_s + self._sound.duration_s
        notes = self._part_notes() + _tally.stream_notes(self._claims) + self._video_notes + self._audio_notes
        if self._start_s is None and self._end_s is None:
            notes += _tally.claim_notes(self._claims, self._video, self._audio, sound_end_s, self._block_s)
        return Clip(
            path=self.path,
            sha256=self.sha256,
            container=self._claims.container,
            duration_s=_tally.duration_of(self._video, self._audio, sound_end_s, self._end_s),
            video=self._video,
            audio=self._audio,
            notes=tuple(notes),
        )

    def check_unchanged(self) -> None:
        """Make sure that what was read is one and the same file.

        Raises
        ------
        UnreadableMedia
            It changed since it was opened.
        """
        still_the_same(self._file)

    def _part_notes(self) -> list[str]:
        if self._start_s is None and self._end_s is None:
            return []
        start = "the start" if self._start_s is None else f"{self._start_s:.3f} s"
        end = "the end" if self._end_s is None else f"{self._end_s:.3f} s"
        return [f"only the part from {start} to {end} was examined"]

    def _decode_frames(self) -> Generator[Frame, None, None]:
        damage, claims, untimed = Damage(), self._claims.video, 0
        times = _tally.FrameTimes(claims.tick_s)
        with closing(decode_from(self._file, claims.index, self._start_s, self._threads, damage)) as blocks:
            for frame, time_s in blocks:
                if not isinstance(frame, av.VideoFrame) or time_s is None:
                    untimed += 1
                    continue
                if self._start_s is not None and time_s < self._start_s:
                    continue
                if self._end_s is not None and time_s >= self._end_s:
                    break
                if not times.accept(time_s):
                    continue
                try:
                    image = self._painter.paint(frame)
                except av.FFmpegError:
                    damage.refused += 1
                    continue
                times.add(time_s)
                yield Frame(len(times) - 1, time_s, image)
        if not len(times):
            raise self._nothing("picture", NoVideo, damage)
        self._video = self._video_facts(times, damage)
        self._video_notes = self._painter.notes() + _tally.video_notes(self._video, times, damage, untimed)

    def _video_facts(self, times: _tally.FrameTimes, damage: Damage) -> VideoFacts:
        claims, timing, first = self._claims, times.timing(), self._painter
        return VideoFacts(
            codec=claims.video.codec,
            pixel_format=first.pixel_format,
            color_range=first.color_range,
            width=first.width,
            height=first.height,
            rotation_deg=first.rotation_deg,
            claimed_frames=claims.frames,
            claimed_duration_s=claims.duration_s if claims.video.duration_s is None else claims.video.duration_s,
            claimed_rate_hz=claims.rate_hz,
            counted_frames=len(times),
            counted_duration_s=timing.duration_s,
            counted_rate_hz=1 / timing.interval_s if timing.interval_s else None,
            start_s=timing.start_s,
            variable_rate=timing.variable,
            gaps=timing.gaps,
            duplicate_timestamps=times.duplicates,
            decode_errors=damage.refused,
        )

    def _decode_sound(self) -> Sound:
        if self._claims.audio is NO_STREAM:
            return SILENCE
        damage, claims, track = Damage(), self._claims, SoundTrack(self._start_s, self._end_s)
        stored: tuple[int, int, str] | None = None
        with closing(decode_from(self._file, claims.audio.index, self._start_s, 1, damage)) as blocks:
            for frame, time_s in blocks:
                if not isinstance(frame, av.AudioFrame) or not frame.samples:
                    continue
                rate, channels = frame.sample_rate, [channel.name for channel in frame.layout.channels]
                if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
                    raise UnreadableMedia(f"{self.path!r} holds sound at {rate} samples a second: check the file")
                stored = stored or (rate, len(channels), frame.layout.name)
                self._block_s = max(self._block_s, frame.samples / rate)
                data = frame.to_ndarray()
                track.add(time_s, to_mono(data if len(data) > 1 else data.reshape(-1, len(channels)).T, channels), rate)
                if track.ended:
                    break
        sound = track.finish()
        if sound is None or stored is None:
            nothing = self._nothing("sound", NoAudio, damage)
            if isinstance(nothing, NoAudio) and not self._needs_sound:
                return SILENCE
            raise nothing
        self._audio = AudioFacts(
            codec=claims.audio.codec,
            sample_rate_hz=stored[0],
            channels=stored[1],
            layout=stored[2],
            claimed_duration_s=claims.duration_s if claims.audio.duration_s is None else claims.audio.duration_s,
            counted_duration_s=track.counted_s,
            start_s=sound.start_s,
            gaps=tuple(track.gaps),
            decode_errors=damage.refused,
        )
        self._audio_notes = _tally.audio_notes(self._audio, track, damage)
        return sound

    def _nothing(
        self, kind: str, absent: type[NoVideo | NoAudio], damage: Damage
    ) -> NoVideo | NoAudio | UnreadableMedia:
        """Return the error for a stream that gave nothing."""
        if damage.refused or damage.unread:
            return UnreadableMedia(f"nothing of the {kind} in {self.path!r} decodes: fetch or copy the file again")
        part = "" if self._start_s is None and self._end_s is None else " in the part to examine"
        return absent(f"there is no {kind} in {self.path!r}{part}: name another clip or another part of it")


def open_clip(
    path: str | os.PathLike[str],
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    threads: int = 1,
    needs_sound: bool = True,
) -> ClipReader:
    """Open a clip for one decode.

    Parameters
    ----------
    path : path
        A regular file.
    start_s, end_s : float, optional
        Examine only what is presented in [start_s, end_s), in seconds on the container's clock.
    threads : int
        Threads of the decoder; the frames of an undamaged stream are the same with any number.
    needs_sound : bool
        If not, a clip or a part without sound is opened all the same; damaged sound is an error even so.

    Returns
    -------
    ClipReader
        To be closed after use; a context manager.

    Raises
    ------
    UnreadableMedia
        Not a regular file, not permitted, or not a media file.
    NoVideo, NoAudio
        There is no moving picture (cover art is none), or no sound where it is needed.
    SettingsError
        The part is empty or lies outside of the clip, or `threads` is less than 1.
    """
    if threads < 1:
        raise SettingsError(f"threads is {threads}: at least 1 is needed")
    for name, value in (("start_s", start_s), ("end_s", end_s)):
        if value is not None and not abs(value) <= MAX_TIME_S:
            raise SettingsError(f"{name} is {value}: give seconds on the container's clock")
    if start_s is not None and end_s is not None and start_s >= end_s:
        raise SettingsError(f"the part to examine starts at {start_s} s and ends at {end_s} s: it must end later")
    file = hash_file(os.fsdecode(path))
    with open_container(file) as container:
        claims = read_claims(file.path, container, needs_sound=needs_sound)
    first_s, last_s = claims.start_s, claims.end_s
    if (start_s is not None and last_s is not None and start_s >= last_s) or (
        end_s is not None and first_s is not None and end_s <= first_s
    ):
        raise SettingsError(
            f"the part to examine lies outside of {file.path!r}, which lasts from {first_s or 0.0:.3f} s "
            f"to {'its end' if last_s is None else f'{last_s:.3f} s'}: name another part"
        )
    return ClipReader(file, claims, start_s, end_s, threads, needs_sound)
