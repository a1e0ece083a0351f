"""Which streams there are: a lane opens with a stream's first segment, ends with its last, and may have a successor.

A stream that comes back with a higher epoch gets a new lane; soon enough, the new lane goes on with the old one's open
plays. It knows nothing of the steps that audio goes through.
"""

from __future__ import annotations

import structlog

from encoder.grid import SAMPLE_RATE
from stream_monitor.accounting import AccountingConfig, StreamAccount, epoch_samples
from stream_monitor.chunk import BlockRequest
from stream_monitor.chunker import Chunker, ChunkerConfig
from stream_monitor.collaborators import Repertoire
from stream_monitor.lane import Ending, Lane
from stream_monitor.lane_state import LaneState
from stream_monitor.segments import Segment, StreamKey
from stream_monitor.upload import Upload
from stream_monitor.verdict_policy import VerdictSettings

log = structlog.get_logger(__name__)


class Lanes:
    """The lanes of all streams."""

    def __init__(
        self,
        repertoire: Repertoire,
        *,
        support_samples: int,
        chunker: ChunkerConfig,
        accounting: AccountingConfig,
        reconnect_s: float,
        verdicts: VerdictSettings | None = None,
    ) -> None:
        """Starts without streams.

        Args:
            repertoire: What follows a stream through its tracks.
            support_samples: Audio that a block needs on either side.
            chunker: Of every lane.
            accounting: Of every lane.
            reconnect_s: A stream that comes back within this time continues its open plays.
            verdicts: By which rules uploads are judged; None gives no verdicts.
        """
        self.late_samples = 0
        """Samples of epochs that had been left for a later one: dropped."""
        self._repertoire = repertoire
        self._support_samples = support_samples
        self._chunker = chunker
        self._accounting = accounting
        self._reconnect_s = reconnect_s
        self._verdicts = verdicts
        self._going: dict[tuple[str, str], Lane] = {}
        """The present epoch of each stream that goes on."""
        self._followed: dict[StreamKey, Lane] = {}
        """Every lane that is not finished."""
        self._drained: list[Lane] = []
        """Lanes that ended with no block on its way."""

    @property
    def going(self) -> tuple[Lane, ...]:
        """Lanes of streams that have begun and not ended."""
        return tuple(self._going.values())

    @property
    def followed(self) -> tuple[Lane, ...]:
        """Lanes whose plays may be open: those that go on, and those that ended and have blocks on their way."""
        return tuple(self._followed.values())

    @property
    def drained(self) -> bool:
        """Whether a lane has ended with no block on its way; `take_drained` hands those out."""
        return bool(self._drained)

    def of(self, segment: Segment) -> tuple[Lane | None, list[tuple[Lane, BlockRequest]]]:
        """The lane of a segment's stream and epoch, with what is left of the epoch before it; None for a past epoch."""
        stream = segment.stream
        before = self._going.get((stream.kind, stream.stream_id))
        if before is not None and before.stream == stream:
            return before, []
        if before is not None and before.stream.epoch > stream.epoch:
            self.late_samples += len(segment.samples_S)
            log.warning("segment of a past epoch dropped", stream=stream.stream_id, epoch=stream.epoch)
            return None, []
        lane = self._open(stream)
        if before is None:
            return lane, []
        before.stand()
        offset = max(before.chunker.state.next_sample, epoch_samples(before.stream, stream))
        break_s = (offset - before.chunker.state.next_sample) / SAMPLE_RATE
        keeps = break_s <= self._reconnect_s
        ending = Ending(
            state="reconnected", reason=f"back after {break_s:.1f} s", successor=lane if keeps else None, offset=offset
        )
        before.account.away(before.chunker.state.next_sample, offset)
        return lane, self.end(before, ending)

    def end(self, lane: Lane, ending: Ending) -> list[tuple[Lane, BlockRequest]]:
        """No more audio comes: asks for the last blocks. Repeating it changes nothing."""
        if lane.ending is not None:
            return []
        lane.stand()
        lane.ending = ending
        if self._going.get(lane.name) is lane:
            del self._going[lane.name]
        requests = lane.chunker.finish()
        if lane.chunker.drained:
            self._drained.append(lane)
        return [(lane, request) for request in requests]

    def lane(self, stream: StreamKey) -> Lane | None:
        """The lane of a stream that goes on; None where there is none."""
        lane = self._going.get((stream.kind, stream.stream_id))
        return lane if lane is not None and lane.stream == stream else None

    def named(self, name: tuple[str, str]) -> Lane | None:
        """The lane of a stream that goes on, in whatever epoch."""
        return self._going.get(name)

    def restore(self, state: LaneState) -> None:
        """Opens the lane of a stream that another process followed before.

        Raises:
            ValueError: The stream is followed already.
        """
        stream = state.stream
        if (stream.kind, stream.stream_id) in self._going:
            raise ValueError(f"{stream.stream_id!r} is followed already")
        lane = self._open(stream)
        lane.restore(state)

    def drop(self, stream: StreamKey) -> None:
        """Lets a stream go without a word: another process follows it from here on."""
        for lane in [each for each in self._followed.values() if each.stream == stream]:
            self._going.pop(lane.name, None)
            self._drained = [each for each in self._drained if each is not lane]
            self.leave(lane)

    def take_drained(self) -> list[Lane]:
        """The lanes that ended with no block on its way; each is handed out once."""
        drained, self._drained = self._drained, []
        return drained

    def leave(self, lane: Lane) -> None:
        """Lets a finished lane go. May be called from any thread."""
        if self._followed.get(lane.stream) is lane:
            del self._followed[lane.stream]

    def _open(self, stream: StreamKey) -> Lane:
        memory = self._repertoire.memory(stream)
        lane = Lane(
            stream=stream,
            chunker=Chunker(stream, support_samples=self._support_samples, config=self._chunker),
            memory=memory,
            tracker=self._repertoire.tracker(stream, memory),
            account=StreamAccount(stream, self._accounting),
            upload=self._upload(stream),
        )
        self._going[lane.name] = lane
        self._followed[stream] = lane
        return lane

    def _upload(self, stream: StreamKey) -> Upload | None:
        if self._verdicts is None or stream.kind != "upload":
            return None
        return Upload(stream, self._verdicts, silence_dbfs=self._accounting.silence_dbfs)
