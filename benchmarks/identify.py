"""How often `identify` names the right track first: 10 s excerpts of recordings as 64k MP3, 20 s excerpts of covers.

    stream-monitor calibrate world --part test --output runs/test --strange-hours 0 --mixed-hours 0
    python benchmarks/identify.py runs/test --excerpts 200 --covers 100

Uses the catalogue of a trial (enrolled when it is not yet) and the real command; writes benchmarks/results/.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from encoder.grid import SAMPLE_RATE as RATE
from encoder.model import Encoder
from encoder.training.arrange import CoverConfig, arrange, plain
from encoder.training.corpus import load_song
from encoder.training.encode import encode
from encoder.training.render import render
from stream_monitor.trial.world import WorldConfig, cast


def main() -> None:
    """Renders the excerpts, identifies them, counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("world", type=Path)
    parser.add_argument("--excerpts", type=int, default=200)
    parser.add_argument("--covers", type=int, default=100)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    config = WorldConfig(**json.loads((options.world / "world.json").read_text(encoding="utf-8")))
    catalogue = options.world / f"catalogue-{Encoder.load().fingerprint}"
    if not catalogue.exists():
        tracks = options.world / "tracks"
        _command("catalog", "add", str(tracks), "--catalog", str(catalogue), "--metadata", str(tracks / "tracks.csv"))
    works = cast(config).played
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(10)
        recordings = [
            _excerpt(works[int(rng.integers(len(works)))], 10.0, Path(folder) / f"r{i}.mp3", 64_000, None, rng)
            for i in range(options.excerpts)
        ]
        covers = [
            _excerpt(works[int(rng.integers(len(works)))], 20.0, Path(folder) / f"c{i}.mp3", 128_000, i, rng)
            for i in range(options.covers)
        ]
        told = {
            "date": datetime.now(tz=UTC).isoformat(timespec="seconds"),
            "command": " ".join(["python", *sys.argv]),
            "catalogue_tracks": config.tracks,
            "recordings_10_s_mp3_64k": _score(recordings, catalogue),
            "covers_20_s": _score(covers, catalogue),
        }
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / f"{datetime.now(tz=UTC):%Y-%m-%d}-identify.json"
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(told, indent=1) + "\n")


def _excerpt(
    work: str, length_s: float, path: Path, bit_rate: int, cover: int | None, rng: np.random.Generator
) -> tuple[str, Path]:
    song = load_song(work)
    made = plain(song) if cover is None else arrange(song, cover, CoverConfig())
    font = None if cover is None else "TimGM6mb.sf2"
    audio_S = render(made, rate=RATE, soundfont=font)
    length = round(length_s * RATE)
    first, last = round(made.first_note_s * RATE), round(made.time_map.end_s * RATE)
    start = int(rng.integers(first, max(first + 1, last - length)))
    encode(audio_S[start : start + length], RATE, path, bit_rate=bit_rate)
    return work, path


def _score(asked: list[tuple[str, Path]], catalogue: Path) -> dict[str, float | int]:
    out = _command("identify", *[str(path) for _, path in asked], "--catalog", str(catalogue), "--json")
    answers = {answer["path"]: answer for answer in map(json.loads, out.splitlines())}
    ranks = []
    for work, path in asked:
        named = [result["track_id"] for result in answers[str(path)].get("results", [])]
        ranks.append(named.index(f"rec-{work}") + 1 if f"rec-{work}" in named else 0)
    first = sum(rank == 1 for rank in ranks)
    return {
        "files": len(ranks),
        "first": first,
        "share_first": round(first / len(ranks), 4),
        "in_10": sum(map(bool, ranks)),
    }


def _command(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "stream_monitor", "--log-level", "warning", *arguments],
        stdout=subprocess.PIPE,
        check=True,
    )
    return done.stdout.decode()


if __name__ == "__main__":
    main()
