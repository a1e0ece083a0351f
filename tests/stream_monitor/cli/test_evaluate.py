"""`evaluate` on real files: versions are found, what cannot be heard is told, what cannot work is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from encoder.model import Encoder
from stream_monitor.cli import main
from stream_monitor.evaluation.dataset import Version
from stream_monitor.evaluation.listening import HeardVersion, Piece, hear_samples
from stream_monitor.evaluation.scoring import score_lengths
from tests.fakes.band import song
from tests.stream_monitor.sound import write_audio

RATE = 22_050


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five works in two recordings each: as they are, and 2 s later, quieter, as MP3; and one work alone."""
    folder = tmp_path_factory.mktemp("versions")
    rows = ["clique_id,recording_id,path,title"]
    for number in range(6):
        wave_S = song(number, 45.0)
        write_audio(folder / f"a{number}.flac", wave_S[None], RATE)
        rows.append(f"w{number},a{number},a{number}.flac,t")
        if number < 5:
            write_audio(folder / f"b{number}.mp3", 0.5 * wave_S[None, 2 * RATE :], RATE, bit_rate=64_000)
            rows.append(f"w{number},b{number},b{number}.mp3,t")
    (folder / "good.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "torn.mp3").write_bytes(b"no audio")
    more = ["w0,gone,gone.mp3,t", "w1,torn,torn.mp3,t"]
    (folder / "some-bad.csv").write_text("\n".join(rows + more) + "\n", encoding="utf-8")
    return folder


def test_versions_are_found_and_told(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same music is found by cuts and whole; both searches agree on eleven recordings; JSON, table, picture."""
    arguments = ["--dataset", str(place / "good.csv"), "--output", str(tmp_path / "out")]
    code = main(["evaluate", *arguments, "--length", "10", "--length", "20", "--length", "60", "--cuts", "3"])
    told = capsys.readouterr()
    assert code == 0
    result = json.loads(told.out)
    assert (result["recordings"], result["cliques"], result["failures"]) == (11, 6, [])
    assert list(result["scores"]) == ["10", "20", "full"]  # nothing is 60 s long
    assert [result["scores"][name]["queries"] for name in ("10", "20", "full")] == [30, 30, 10]
    for name in ("20", "full"):
        assert result["scores"][name]["aligned"]["queries"] == 10
        for search in ("exact", "two_stage", "aligned"):
            found = result["scores"][name][search]["map"]
            assert found["low"] <= found["mean"] <= found["high"]
            assert found["mean"] > 0.9
    assert result["scores"]["full"]["recall"] == 1.0
    assert "two stage" in told.err
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8")) == result
    assert (tmp_path / "out" / "evaluation.png").read_bytes().startswith(b"\x89PNG")


def test_queries_are_timed_against_an_index_of_any_size(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Table 2: the index is filled up with other music to the sizes asked for; each part has its time."""
    arguments = ["--dataset", str(place / "good.csv"), "--length", "20", "--cuts", "1", "--search", "two_stage"]
    assert main(["evaluate", *arguments, "--times", "200", "--times", "400"]) == 0
    told = capsys.readouterr()
    times = json.loads(told.out)["times"]
    assert times["queries"] == 11
    assert [row["embeddings"] for row in times["indexes"]] == [200, 400]
    for row in times["indexes"]:
        parts = (times["preprocess_ms"], times["inference_ms"], row["two_stage_ms"], row["all_pairs_ms"])
        assert all(part["mean"] > 0 for part in parts)
        assert 0.9 <= row["recall"] <= 1
        assert row["total_ms"] == pytest.approx(sum(part["mean"] for part in parts[:3]))
    assert "two stages, ms" in told.err


def test_works_are_spread_over_the_list(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of so many cliques all recordings, of the others none."""
    arguments = ["--dataset", str(place / "good.csv"), "--length", "20", "--cuts", "1", "--search", "exact"]
    assert main(["evaluate", *arguments, "--works", "3"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["cliques"], result["recordings"]) == (3, 6)


def test_what_cannot_be_heard_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rest is evaluated; exit code 1."""
    assert main(["evaluate", "--dataset", str(place / "some-bad.csv"), "--length", "20", "--cuts", "1"]) == 1
    told = capsys.readouterr()
    result = json.loads(told.out)
    assert [failure["recording_id"] for failure in result["failures"]] == ["gone", "torn"]
    assert result["recordings"] == 11
    assert "gone.mp3" in told.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clique_id,path\nw,a.mp3\n", "lacks the column recording_id"),
        ("recording_id,path\nr,a.mp3\n", "lacks the column clique_id"),
        ("clique_id,recording_id,path\n,r,a.mp3\nw,s,b.mp3\n", "recording 'r' has no clique_id"),
        ("clique_id,recording_id,path\nw,r,a.mp3\nv,s,b.mp3\n", "nothing to find"),
        ("clique_id,recording_id,path\nw,r,a.mp3\nw,r,b.mp3\n", "same recording_id 'r'"),
    ],
)
def test_a_dataset_that_cannot_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    """One clear line, exit code 2, before any audio is opened."""
    (tmp_path / "set.csv").write_text(text, encoding="utf-8")
    assert main(["evaluate", "--dataset", str(tmp_path / "set.csv")]) == 2
    assert message in capsys.readouterr().err


def heard(clique: str, name: str, *rows: list[float]) -> HeardVersion:
    embedding_ND = np.array(rows, np.float32)
    version = Version(clique_id=clique, recording_id=name, path=Path(name))
    piece = Piece(embedding_ND=embedding_ND, sketch_nF=np.zeros((0, 84), np.uint8), whole_D=None)
    return HeardVersion(version=version, duration_s=20.0, whole=piece, cuts={20.0: [piece]})


def test_the_own_recording_is_no_answer_and_the_unnamed_are_at_zero() -> None:
    """By hand: with one neighbour a query names only itself, so its other version ties with all others at 0."""
    east, near, north = [1.0, 0.0], [0.8, 0.6], [0.0, 1.0]
    versions = [heard("w", "a", east), heard("w", "b", near), heard("v", "c", north)]
    scores = score_lengths(
        versions,
        [20.0],
        searches=["exact", "two_stage"],
        neighbours=1,
        scanned=0,
        checked=5,
        related=5,
        slow_cuts=1,
        seed=1,
    )
    assert list(scores) == ["20", "full"]
    exact, staged = scores["20"]["exact"], scores["20"]["two_stage"]
    assert scores["20"]["queries"] == 2  # v has no other version
    assert exact["mr1"]["mean"] == pytest.approx(1.0)
    assert staged["mr1"]["mean"] == pytest.approx(1.5)
    assert staged["map"]["mean"] == pytest.approx(0.75)
    assert scores["20"]["recall"] == 0.0


def test_a_recording_is_heard_as_a_stream_of_its_own() -> None:
    """As many embeddings as the grid has chunks, the tail included; a cut is what its samples alone give."""
    encoder, wave_S = Encoder.load(), song(3, 47.0)
    assert hear_samples(encoder, wave_S).embedding_ND.shape == (4, encoder.dimensions)
    cut_S = wave_S[7_777 : 7_777 + 6 * RATE]
    first, second = (hear_samples(encoder, cut_S.copy()).embedding_ND for _ in range(2))
    np.testing.assert_allclose(first, second, atol=1e-6)
    assert hear_samples(encoder, np.zeros(10 * RATE, np.float32)).embedding_ND.shape == (0, encoder.dimensions)


def test_samples_that_are_no_numbers_are_silence() -> None:
    """As in a stream: one damaged recording must not spoil the similarities of all."""
    wave_S = song(4, 25.0)
    wave_S[5_000:5_010] = np.nan
    assert np.isfinite(hear_samples(Encoder.load(), wave_S).embedding_ND).all()


def test_every_search_finds_the_same_music(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also the baselines, each with its figures; subsets are scored apart."""
    rows = (place / "good.csv").read_text(encoding="utf-8").splitlines()
    named = [rows[0] + ",subset", *(row + (",odd" if "w1" in row or "w3" in row else ",even") for row in rows[1:])]
    (place / "subsets.csv").write_text("\n".join(named) + "\n", encoding="utf-8")
    searches = ["exact", "aligned", "whole", "chroma", "qmax"]
    options = [part for search in searches for part in ("--search", search)]
    assert main(["evaluate", "--dataset", str(place / "subsets.csv"), "--length", "20", "--cuts", "2", *options]) == 0
    scores = json.loads(capsys.readouterr().out)["scores"]["20"]
    for search in searches:
        assert scores[search]["map"]["mean"] > 0.7, search
        assert set(scores[search]["subsets"]) == {"even", "odd"}
    assert "two_stage" not in scores
    assert scores["exact"]["subsets"]["odd"]["queries"] == 8
    assert scores["qmax"]["subsets"]["odd"]["queries"] == 4
