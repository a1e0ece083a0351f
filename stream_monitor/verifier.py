"""What one stream sounded like lately, and where a stretch of it lies on a track.

It keeps a stream's sketch and peaks for a while and puts `alignment` to work on them; the answer joins what tonal
features say (every version) and what spectral peaks say (the recording itself). It knows nothing of embeddings, plays
or of where a track's prints are stored.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from encoder.grid import BINS, HOP, SAMPLE_RATE
from encoder.sketch import SKETCH_FRAMES, SketchRows
from encoder.tonal_memory import TonalMemory
from encoder.tonal_print import features_of
from stream_monitor.alignment import Alignment, Anchor, Features, align
from stream_monitor.chunk import Chunk
from stream_monitor.evidence import Verification
from stream_monitor.hidden_edges import with_hidden_edges
from stream_monitor.recording import RecordingMatch, same_recording
from stream_monitor.segments import StreamKey
from stream_monitor.track_peaks import TrackPeaks

ROW_SAMPLES = SKETCH_FRAMES * HOP
_HALF_WRAP = 1 << 23
"""Half of the frames that a packed peak can tell apart."""


class VerifierConfig(BaseModel):
    """How much is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory_s: float = Field(default=180.0, ge=60.0, le=3600.0)
    """A stream's last seconds that can be placed on a track; 1 KB each."""
    incremental: bool = True
    """Features of a stretch that overlaps the one before are taken over from it: 3% less work, equal to 1e-5. Off with
    `deterministic`, for then what was heard before must not matter."""
    cached_tracks: int = Field(default=1024, ge=1)
    """Tracks whose peaks are kept sorted, for all streams together; 36 bytes for each second of a track."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrackPrint:
    """What a track is compared by."""

    tonal_NV: npt.NDArray[np.int8]
    """As the catalogue keeps them: a view of its file."""
    peaks: TrackPeaks

    @property
    def features(self) -> Features:
        """In the precision that alignment computes in."""
        return features_of(self.tonal_NV)


class TrackPrints:
    """The prints of the tracks that were asked for lately, shared by all streams; any thread may ask."""

    def __init__(
        self,
        tonal: Callable[[int], npt.NDArray[np.int8]],
        peaks: Callable[[int], npt.NDArray[np.uint32]],
        *,
        limit: int,
    ) -> None:
        self._lock = threading.Lock()
        self._tonal = tonal
        self._peaks = peaks
        self._limit = limit
        self._known: OrderedDict[int, TrackPrint] = OrderedDict()

    def of(self, track_key: int) -> TrackPrint:
        """The print of a track; made when it is asked for the first time."""
        with self._lock:
            known = self._known.get(track_key)
            if known is None:
                known = TrackPrint(tonal_NV=self._tonal(track_key), peaks=TrackPeaks.of(self._peaks(track_key)))
                self._known[track_key] = known
                if len(self._known) > self._limit:
                    self._known.popitem(last=False)
            else:
                self._known.move_to_end(track_key)
            return known

    def forget(self, track_key: int) -> None:
        """Lets a track's print go; one that is not there is no error."""
        with self._lock:
            self._known.pop(track_key, None)


class SketchVerifier:
    """One stream's memory, and its stretches on tracks."""

    def __init__(self, stream: StreamKey, prints: TrackPrints, config: VerifierConfig | None = None) -> None:
        """Starts with nothing remembered.

        Args:
            stream: Whose memory it is.
            prints: The catalogue's side.
            config: How much is kept.
        """
        self.stream = stream
        self._prints = prints
        config = config or VerifierConfig()
        self._keep_rows = round(config.memory_s * SAMPLE_RATE / ROW_SAMPLES)
        self._incremental = config.incremental
        self._tonal = TonalMemory()
        self._newest: tuple[tuple[int, int], Features | None] | None = None
        """The stretch that was asked about last, and its features; None as soon as there is more to hear."""
        self._sketch: deque[SketchRows] = deque()
        self._peaks: deque[npt.NDArray[np.int64]] = deque()
        """Packed as `encoder.peaks` does, but with the whole number of the frame."""

    def remember(self, chunk: Chunk) -> None:
        """Keeps the chunk's sketch rows and peaks, and lets go what is too old."""
        self._newest = None
        self._sketch.extend(chunk.sketch)
        if len(chunk.peaks_n):
            self._peaks.append(_unwrapped(chunk.peaks_n, chunk.start_sample // HOP))
        if not self._sketch:
            return
        oldest = _end_row(self._sketch[-1]) - self._keep_rows
        while _end_row(self._sketch[0]) <= oldest:
            self._sketch.popleft()
        while self._peaks and int(self._peaks[0][-1] >> 8) < oldest * SKETCH_FRAMES:
            self._peaks.popleft()

    def continue_as(self, stream: StreamKey, offset_samples: int) -> None:
        """A new epoch has another clock: what was heard before it can no longer be placed."""
        self.stream = stream
        self._tonal = TonalMemory()
        self._newest = None
        self._sketch.clear()
        self._peaks.clear()

    def verify(
        self, track_key: int, start_sample: int, end_sample: int, *, anchor: tuple[int, int] | None = None
    ) -> Verification | None:
        """Places stream samples [start_sample, end_sample) on the track; None where nothing fits.

        Args:
            track_key: The track.
            start_sample: Begin of the stretch; what is no longer kept is left out.
            end_sample: End of the stretch.
            anchor: (stream sample, track sample) that are expected to belong together.
        """
        heard = self._features(start_sample, end_sample)
        if heard is None:
            return None
        track = self._prints.of(track_key)
        known = track.features
        aligned = align(
            heard,
            known,
            anchor=None if anchor is None else Anchor(stream_sample=anchor[0], track_sample=anchor[1]),
        )
        found = _joined(aligned, self._same_recording(track.peaks, start_sample, end_sample))
        return with_hidden_edges(found, known, (start_sample, end_sample))

    def _same_recording(self, track: TrackPeaks, start_sample: int, end_sample: int) -> RecordingMatch | None:
        """The track's own recording in the stretch; it is looked for on a clock that begins where the peaks do."""
        if not self._peaks:
            return None
        origin = int(self._peaks[0][0] >> 8)
        peaks_n = (np.concatenate(self._peaks) - (origin << 8)).astype(np.uint32)
        moved = origin * HOP
        same = same_recording(peaks_n, track, stream_span=(start_sample - moved, end_sample - moved))
        if same is None:
            return None
        return replace(
            same,
            stream_start_sample=same.stream_start_sample + moved,
            stream_end_sample=same.stream_end_sample + moved,
        )

    def _features(self, start_sample: int, end_sample: int) -> Features | None:
        """Features of a stretch; the last ones are kept, for all candidates of one chunk ask about one stretch."""
        stretch = (start_sample, end_sample)
        if self._newest is None or self._newest[0] != stretch:
            first_row, rows_NF = self._rows(start_sample, end_sample)
            if not self._incremental:
                self._tonal = TonalMemory()
            self._newest = (stretch, self._tonal.features(rows_NF, first_row) if len(rows_NF) else None)
        return self._newest[1]

    def _rows(self, start_sample: int, end_sample: int) -> tuple[int, npt.NDArray[np.uint8]]:
        """The kept rows of a stretch as one array; rows that are missing in between are silence."""
        if not self._sketch:
            return 0, np.empty((0, BINS), np.uint8)
        first = max(self._sketch[0].first_row, -(-start_sample // ROW_SAMPLES))
        stop = min(_end_row(self._sketch[-1]), end_sample // ROW_SAMPLES)
        rows_NF = np.zeros((max(0, stop - first), BINS), np.uint8)
        for each in self._sketch:
            start, end = max(first, each.first_row), min(stop, _end_row(each))
            if start < end:
                rows_NF[start - first : end - first] = each.rows_NF[start - each.first_row : end - each.first_row]
        return first, rows_NF


def _unwrapped(peaks_n: npt.NDArray[np.uint32], near_frame: int) -> npt.NDArray[np.int64]:
    """Peaks with whole frame numbers: packed, a frame is known modulo 2^24 only, and a stream gets there in 108 h."""
    code_n = peaks_n.astype(np.int64)
    ahead_n = ((code_n >> 8) - near_frame + _HALF_WRAP) % (2 * _HALF_WRAP) - _HALF_WRAP
    return np.sort(((near_frame + ahead_n) << 8) | (code_n & 0xFF))


def _end_row(rows: SketchRows) -> int:
    return rows.first_row + len(rows.rows_NF)


def _joined(aligned: Alignment | None, same: RecordingMatch | None) -> Verification | None:
    """One answer from both: peaks know a recording's place to a frame, tonal features every other version's."""
    recording = same is not None and same.match_type == "recording"
    if same is not None and (recording or aligned is None):
        return Verification(
            stream_start_sample=same.stream_start_sample,
            stream_end_sample=same.stream_end_sample,
            track_start_sample=same.track_start_sample,
            track_end_sample=same.track_end_sample,
            transposition_semitones=same.transposition_semitones,
            tempo_ratio=same.tempo_ratio,
            strength=0.0 if aligned is None else aligned.strength,
            recording=same.significance,
            match_type="recording" if recording else "unknown",
            gaps=() if aligned is None else aligned.gaps,
        )
    if aligned is None:
        return None
    return Verification(
        stream_start_sample=aligned.stream_start_sample,
        stream_end_sample=aligned.stream_end_sample,
        track_start_sample=aligned.track_start_sample,
        track_end_sample=aligned.track_end_sample,
        transposition_semitones=aligned.transposition_semitones,
        tempo_ratio=aligned.tempo_ratio,
        strength=aligned.strength,
        recording=0.0 if same is None else same.significance,
        match_type="version",
        gaps=aligned.gaps,
    )
