"""Whole files against a real catalogue: ranks, places, and the command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from encoder.tonal import features
from encoder.tonal_print import features_of
from index.catalogue import Catalogue
from stream_monitor.cli import main
from stream_monitor.confidence import CALIBRATION_KEY, Calibration
from stream_monitor.enrol import HeardFile, Listener
from stream_monitor.enrolment import enrol
from stream_monitor.identify import Identifier, IdentifyConfig
from stream_monitor.metadata import plan_enrolment
from stream_monitor.version_rank import version_score
from tests.fakes.encoder import FakeEncoder
from tests.stream_monitor.sound import melody, write_audio

TRACKS = 12


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of melodies of 40 s, t0 to t11."""
    folder = tmp_path_factory.mktemp("identify")
    for n in range(TRACKS):
        write_audio(folder / f"t{n}.flac", melody(100 + n, 40.0), 22_050)
    with Catalogue.create(folder / "catalogue", encoder_fingerprint=FakeEncoder.fingerprint, index="exact") as made:
        outcomes = enrol(plan_enrolment([folder], None), made, Listener(FakeEncoder()))
        assert {each.status for each in outcomes} == {"added"}
    return folder / "catalogue"


@pytest.fixture
def catalogue(place: Path) -> Iterator[Catalogue]:
    """The catalogue, opened."""
    with Catalogue.open(place, encoder_fingerprint=FakeEncoder.fingerprint, index="exact") as opened:
        yield opened


def excerpt(path: Path, seed: int, start_s: float, end_s: float) -> Path:
    """A stretch of a track as MP3 at 64 kbit/s."""
    whole_CS = melody(seed, 40.0)
    return write_audio(path, whole_CS[:, round(start_s * 22_050) : round(end_s * 22_050)], 22_050, bit_rate=64_000)


def hear(path: Path) -> HeardFile:
    """One heard file."""
    (heard,) = Listener(FakeEncoder()).hear([path])
    assert isinstance(heard, HeardFile)
    return heard


def identifier(catalogue: Catalogue, config: IdentifyConfig | None = None) -> Identifier:
    """For the fake encoder."""
    encoder = FakeEncoder()
    return Identifier(catalogue, cohort_CD=encoder.cohort_CD, calibration=encoder.calibration, config=config)


def test_an_mp3_excerpt_of_a_recording_comes_first_in_its_place(catalogue: Catalogue, tmp_path: Path) -> None:
    """10 s as 64k MP3 name their track first, as a recording, at its place to a second."""
    heard = hear(excerpt(tmp_path / "a.mp3", 105, 15.0, 25.0))
    best = identifier(catalogue).identify(heard, top=3)[0]
    assert (best.track_id, best.match_type) == ("t5", "recording")
    assert abs((best.track_start_s - best.query_start_s) - 15.0) < 0.1
    assert best.query_end_s - best.query_start_s > 8.0
    assert abs((best.query_end_s - best.query_start_s) - (best.track_end_s - best.track_start_s)) < 0.2


def test_the_score_is_max_mean_of_the_whole_file(catalogue: Catalogue, tmp_path: Path) -> None:
    """Scores are those of the slow and obvious way, below any threshold too; ranks after the recording fall by
    score and alignment together, where no track speaks for others."""
    heard = hear(excerpt(tmp_path / "a.mp3", 103, 2.0, 38.0))
    results = identifier(catalogue, IdentifyConfig(related_tracks=0)).identify(heard, top=TRACKS)
    assert len(results) == TRACKS
    for result in results:
        (similarity_MN,) = catalogue.index.similarities(heard.embedding_ND, [result.track_key])
        chunks, positions = similarity_MN.shape
        obvious = similarity_MN.max(axis=1 if chunks <= positions else 0).mean()
        assert result.score == pytest.approx(float(obvious))
        assert result.confidence is None
    notes = features(heard.sketch_nF)
    rest = [
        version_score(result.score, notes, features_of(catalogue.tonal(result.track_key)))
        for result in results
        if result.match_type != "recording"
    ]
    assert rest == sorted(rest, reverse=True)


def test_a_fitted_calibration_gives_confidences(catalogue: Catalogue, tmp_path: Path) -> None:
    """With fitted weights every result has a probability, and the recording's is the highest."""
    fitted = Calibration.provisional().model_copy(update={"fitted_on": "this test"})
    identifier = Identifier(
        catalogue, cohort_CD=FakeEncoder().cohort_CD, calibration={CALIBRATION_KEY: fitted.model_dump()}
    )
    results = identifier.identify(hear(excerpt(tmp_path / "a.mp3", 109, 5.0, 35.0)), top=4)
    confidences = [result.confidence for result in results if result.confidence is not None]
    assert len(confidences) == 4
    assert all(0.0 < each < 1.0 for each in confidences)
    assert confidences[0] == max(confidences)


def test_slices_do_not_change_the_answer(catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that must be compared piece by piece gets the same ranks and scores."""
    heard = hear(excerpt(tmp_path / "a.mp3", 107, 0.0, 40.0))
    whole = identifier(catalogue).identify(heard, top=5)
    monkeypatch.setattr("stream_monitor.compared_tracks.SLICE_VALUES", 1)
    monkeypatch.setattr("stream_monitor.identify.SLICE_CHUNKS", 1)
    monkeypatch.setattr("stream_monitor.file_evidence.SLICE_CHUNKS", 1)
    assert identifier(catalogue).identify(heard, top=5) == whole


def test_the_command_answers_in_order_and_reports_failures(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One JSON object per file in the order given; a file that fails has an error, and the exit code is 1."""
    monkeypatch.setattr("stream_monitor.cli.loading.load_encoder", lambda weights, device="cpu": FakeEncoder())
    long = excerpt(tmp_path / "long.mp3", 104, 0.0, 40.0)
    short = write_audio(tmp_path / "short.wav", melody(1, 3.0), 22_050)
    good = excerpt(tmp_path / "good.mp3", 102, 5.0, 15.0)
    files = [str(each) for each in (long, tmp_path / "gone.wav", short, good, good)]
    code = main(["identify", *files, "--catalog", str(place), "--top", "2", "--json"])
    captured = capsys.readouterr()
    answers = [json.loads(line) for line in captured.out.splitlines()]
    assert code == 1
    assert [answer["path"] for answer in answers] == files
    assert "no such file" in answers[1]["error"]
    assert "3.0 s" in answers[2]["error"]
    assert [answers[n]["results"][0]["track_id"] for n in (0, 3, 4)] == ["t4", "t2", "t2"]
    assert list(answers[0]) == ["path", "duration_s", "results"]
    assert list(answers[0]["results"][0]) == [
        "track_id", "score", "confidence", "match_type", "query_start_s", "query_end_s", "track_start_s", "track_end_s",
    ]  # fmt: skip
    assert len(answers[0]["results"]) == 2
    assert "no fitted confidence" in captured.err


def test_a_truncated_file_gets_results_and_an_error(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there of a cut file is identified, and the cut is reported beside it."""
    monkeypatch.setattr("stream_monitor.cli.loading.load_encoder", lambda weights, device="cpu": FakeEncoder())
    path = write_audio(tmp_path / "cut.wav", melody(106, 40.0), 22_050)
    path.write_bytes(path.read_bytes()[:1_000_000])
    assert main(["identify", str(path), "--catalog", str(place), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert "truncated" in answer["error"]
    assert answer["results"][0]["track_id"] == "t6"


def test_people_get_a_table(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --json there is a table per file."""
    monkeypatch.setattr("stream_monitor.cli.loading.load_encoder", lambda weights, device="cpu": FakeEncoder())
    assert main(["identify", str(excerpt(tmp_path / "a.mp3", 101, 0.0, 20.0)), "--catalog", str(place)]) == 0
    assert "t1" in capsys.readouterr().out


def test_another_encoder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A catalogue of another encoder is exit code 2 with the command that mends it."""
    monkeypatch.setattr("stream_monitor.cli.loading.load_encoder", lambda weights, device="cpu": FakeEncoder())
    Catalogue.create(tmp_path / "c", encoder_fingerprint="another").close()
    path = write_audio(tmp_path / "a.wav", melody(1, 8.0), 22_050)
    assert main(["identify", str(path), "--catalog", str(tmp_path / "c")]) == 2
    assert "catalog add" in capsys.readouterr().err
