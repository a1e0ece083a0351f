"""Files as the encoder hears them, and as tracks of a real catalogue."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from encoder import grid
from encoder.sketch import SKETCH_FRAMES
from index.catalogue import Catalogue
from stream_monitor.decode_ahead import DecodeAhead, FileEnd
from stream_monitor.enrol import HeardFile, Listener, UnheardFile
from stream_monitor.enrolment import enrol
from stream_monitor.errors import SilentInputError, StoppedError, TooShortError, TruncatedError
from stream_monitor.metadata import plan_enrolment
from stream_monitor.stopping import Stop
from tests.fakes.encoder import FakeEmbeddings, FakeEncoder
from tests.stream_monitor.sound import melody, write_audio


def hear(paths: Sequence[Path]) -> dict[str, HeardFile | UnheardFile]:
    """Heard files by stem."""
    return {heard.path.stem: heard for heard in Listener(FakeEncoder()).hear(paths)}


def catalogue_in(folder: Path) -> Catalogue:
    """An empty catalogue for the fake encoder."""
    return Catalogue.create(folder, encoder_fingerprint=FakeEncoder.fingerprint, index="exact")


@pytest.mark.parametrize("seconds", [6.0, 13.7, 20.0, 25.0, 40.0])
def test_a_file_is_heard_in_the_grids_chunks(tmp_path: Path, seconds: float) -> None:
    """Embeddings lie where the grid says, sketch and peaks cover the whole file."""
    heard = hear([write_audio(tmp_path / "a.wav", melody(1, seconds), 22_050)])["a"]
    assert isinstance(heard, HeardFile)
    spans = grid.spans(heard.duration_samples)
    assert heard.duration_samples == round(seconds * 22_050)
    assert heard.starts_N.tolist() == [span.start_sample for span in spans]
    assert heard.ends_N.tolist() == [span.end_sample for span in spans]
    assert heard.embedding_ND.shape == (len(spans), 512)
    assert len(heard.sketch_nF) == grid.first_frame(heard.duration_samples) // SKETCH_FRAMES
    assert np.all(np.diff(heard.peaks_n.astype(np.int64)) > 0)


def test_company_does_not_change_what_is_heard(tmp_path: Path) -> None:
    """A file heard among others gives what it gives alone."""
    paths = [write_audio(tmp_path / f"{n}.flac", melody(n, 12.0 + 7 * n), 22_050) for n in range(5)]
    together = hear(paths)
    for path in paths:
        alone, among = hear([path])[path.stem], together[path.stem]
        assert isinstance(alone, HeardFile)
        assert isinstance(among, HeardFile)
        assert alone.audio_hash == among.audio_hash
        np.testing.assert_array_equal(alone.embedding_ND, among.embedding_ND)
        np.testing.assert_array_equal(alone.sketch_nF, among.sketch_nF)
        np.testing.assert_array_equal(alone.peaks_n, among.peaks_n)


def test_short_and_silent_files_have_no_result_and_say_so(tmp_path: Path) -> None:
    """3 s are too short, silence has no embedding; a silent part is only left out."""
    half_silent = melody(2, 60.0)
    half_silent[:, 20 * 22_050 :] = 0
    heard = hear(
        [
            write_audio(tmp_path / "short.wav", melody(3, 3.0), 22_050),
            write_audio(tmp_path / "silent.wav", np.zeros((1, 10 * 22_050), np.float32), 22_050),
            write_audio(tmp_path / "half.wav", half_silent, 22_050),
        ]
    )
    assert isinstance(heard["short"], UnheardFile)
    assert isinstance(heard["short"].problem, TooShortError)
    assert "3.0 s" in str(heard["short"].problem)
    assert isinstance(heard["silent"], UnheardFile)
    assert isinstance(heard["silent"].problem, SilentInputError)
    assert isinstance(heard["half"], HeardFile)
    assert 1 <= len(heard["half"].embedding_ND) < len(grid.spans(60 * 22_050))


def test_a_truncated_file_is_heard_with_its_problem(tmp_path: Path) -> None:
    """What is there is heard, and the problem is carried along."""
    path = write_audio(tmp_path / "a.wav", melody(4, 20.0), 22_050)
    path.write_bytes(path.read_bytes()[:600_000])
    heard = hear([path])["a"]
    assert isinstance(heard, HeardFile)
    assert isinstance(heard.problem, TruncatedError)


def test_the_hash_names_the_samples_not_the_file(tmp_path: Path) -> None:
    """WAV and FLAC of the same samples have one hash; other samples another."""
    wave_CS = melody(5, 7.0)
    heard = hear(
        [
            write_audio(tmp_path / "a.wav", wave_CS, 22_050),
            write_audio(tmp_path / "b.flac", wave_CS, 22_050),
            write_audio(tmp_path / "c.flac", 0.9 * wave_CS, 22_050),
        ]
    )
    hashes = [each.audio_hash for name in "abc" if isinstance(each := heard[name], HeardFile)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_decoding_ahead_is_bounded_and_stops(tmp_path: Path) -> None:
    """Decoders wait when nobody takes their segments, and end at a stop."""
    paths = [write_audio(tmp_path / f"{n}.wav", melody(n, 30.0), 22_050) for n in range(3)]
    stop = Stop()
    items = iter(DecodeAhead(paths, workers=2, stop=stop, ahead_segments=2))
    next(items)
    stop.set()
    with pytest.raises(StoppedError):
        list(items)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]
    everything = list(DecodeAhead(paths, workers=2, stop=Stop(), ahead_segments=2))
    assert sorted(item.file for item in everything if isinstance(item, FileEnd)) == [0, 1, 2]


def test_enrolling_again_decodes_only_what_changed(tmp_path: Path) -> None:
    """Unchanged files are known by path, size and time; the same audio elsewhere by its hash."""
    folder = tmp_path / "audio"
    folder.mkdir()
    write_audio(folder / "a.wav", melody(6, 8.0), 22_050)
    write_audio(folder / "b.wav", melody(7, 8.0), 22_050)
    with catalogue_in(tmp_path / "catalogue") as catalogue:

        def statuses() -> dict[str, str]:
            plan = plan_enrolment([folder], None)
            return {each.track_id: each.status for each in enrol(plan, catalogue, Listener(FakeEncoder()))}

        assert statuses() == {"a": "added", "b": "added"}
        assert statuses() == {"a": "unchanged", "b": "unchanged"}
        write_audio(folder / "c.flac", melody(6, 8.0), 22_050)
        assert statuses()["c"] == "already"
        write_audio(folder / "b.wav", melody(8, 8.0), 22_050)
        assert statuses() == {"a": "unchanged", "b": "failed", "c": "already"}
        assert len(catalogue) == 2


def test_bad_files_are_left_out_with_their_reason(tmp_path: Path) -> None:
    """A plan with bad files gives an outcome for each, and enrols the good ones."""
    good = write_audio(tmp_path / "good.wav", melody(9, 8.0), 22_050)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.mp3").write_text("no audio " * 100)
    cut = write_audio(tmp_path / "cut.flac", melody(10, 20.0), 22_050)
    cut.write_bytes(cut.read_bytes()[:-1000])
    with catalogue_in(tmp_path / "catalogue") as catalogue:
        plan = plan_enrolment([tmp_path, tmp_path / "gone.wav"], None)
        outcomes = {each.track_id: each for each in enrol(plan, catalogue, Listener(FakeEncoder()))}
        assert [track.track_id for track in catalogue.tracks()] == [good.stem]
    failed = {name: outcome.reason or "" for name, outcome in outcomes.items() if outcome.status == "failed"}
    assert set(failed) == {"empty", "text", "cut", "gone"}
    assert "0 bytes" in failed["empty"]
    assert "no audio" in failed["text"]
    assert "truncated" in failed["cut"]
    assert "no such file" in failed["gone"]


def test_an_interruption_keeps_what_was_enrolled_and_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the encoder loses no finished track, leaves no thread, and the next run does the rest."""
    monkeypatch.setattr("stream_monitor.enrol.BATCH_BLOCKS", 4)
    monkeypatch.setattr("stream_monitor.enrol.BATCH_CHUNKS", 4)
    for n in range(6):
        write_audio(tmp_path / f"{n}.wav", melody(20 + n, 30.0), 22_050)

    class Interrupted(FakeEncoder):
        calls = 0

        def embed(self, chunks: Sequence[np.ndarray]) -> FakeEmbeddings:
            self.calls += 1
            if self.calls == 3:
                raise KeyboardInterrupt
            return super().embed(chunks)

    folder = tmp_path / "catalogue"
    plan = plan_enrolment([tmp_path], None)
    with catalogue_in(folder) as catalogue, pytest.raises(KeyboardInterrupt):
        for _ in enrol(plan, catalogue, Listener(Interrupted())):
            pass
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]
    with Catalogue.open(folder, encoder_fingerprint=FakeEncoder.fingerprint, writable=True, index="exact") as catalogue:
        before = len(catalogue)
        assert 0 < before < 6
        statuses = [each.status for each in enrol(plan, catalogue, Listener(FakeEncoder()))]
        assert len(catalogue) == 6
    assert sorted(statuses) == ["added"] * (6 - before) + ["unchanged"] * before
