"""A catalogue is whole wherever a change of it was stopped: killed, interrupted, or without room on the disk."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from index.catalogue import Catalogue
from index.errors import CatalogueMissing, CatalogueStorage
from index.track import Added, AlreadyEnrolled
from tests.index.recordings import DIMENSIONS, recording, unit_vectors
from tests.index.scenarios import (
    AFTER,
    BEFORE,
    FINGERPRINT,
    LIVE,
    SCENARIOS,
    make_before,
    opened,
    steps_of,
    stopper,
)

ROOT = Path(__file__).parents[2]


def check_whole(path: Path, scenario: str) -> None:
    """It opens, reads back what was written, answers, and can be changed."""
    with opened(path) as catalogue:
        present = {track.track_id for track in catalogue.tracks()}
        assert present in AFTER[scenario]
        assert [problem for problem in catalogue.verify().problems if not problem.startswith("graph: ")] == []
        for track in catalogue.tracks():
            new = recording(int(track.track_id.removeprefix("track-")))
            np.testing.assert_array_equal(catalogue.sketch(track.key), new.sketch_nF)
            np.testing.assert_array_equal(catalogue.peaks(track.key), new.peaks_n)
            np.testing.assert_array_equal(catalogue.tonal(track.key), new.tonal_nV)
            found = catalogue.index.neighbours(new.embedding_ND, 1)
            assert found.track_BK[:, 0].tolist() == [track.key] * len(new.embedding_ND)
        assert catalogue.index.neighbours(unit_vectors(1, 2), 50).track_BK.shape == (2, len(catalogue.index))
        assert isinstance(catalogue.add(recording(20)), Added)
        catalogue.save_graph()
    with Catalogue.open(path, encoder_fingerprint=FINGERPRINT, live=LIVE) as catalogue:
        assert {track.track_id for track in catalogue.tracks()} == present | {"track-20"}
        assert catalogue.verify().problems == ()
        assert not list(path.glob("*.tmp"))


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[Path, str]]]:
    """Catalogues whose writer was killed, by scenario."""
    folder = tmp_path_factory.mktemp("killed")
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.index.scenarios", str(folder)],
        cwd=ROOT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    left: dict[str, list[tuple[Path, str]]] = {}
    for line in ran.stdout.splitlines():
        if line.count(",") == 2 and line.split(",")[0] in SCENARIOS:
            scenario, number, step = line.split(",")
            left.setdefault(scenario, []).append((folder / f"{scenario}-{number}", step))
    return left


@pytest.mark.parametrize("scenario", sorted(set(SCENARIOS) - {"create"}))
def test_a_killed_writer_leaves_a_whole_catalogue(killed: dict[str, list[tuple[Path, str]]], scenario: str) -> None:
    """SIGKILL at any step of a change leaves the state before it or after it, and the next writer can go on."""
    assert len(killed[scenario]) >= 2
    for path, _ in killed[scenario]:
        check_whole(path, scenario)


def test_a_killed_creation_can_be_repeated(killed: dict[str, list[tuple[Path, str]]]) -> None:
    """SIGKILL while a catalogue is made leaves none, and making it again works."""
    for path, _ in killed["create"]:
        with pytest.raises(CatalogueMissing, match="catalog add"):
            opened(path / "new")
        with Catalogue.create(path / "new", encoder_fingerprint=FINGERPRINT, dimensions=DIMENSIONS) as catalogue:
            assert len(catalogue) == 0


@pytest.mark.parametrize("scenario", ["add", "compact", "remove", "save_graph"])
def test_a_full_disk_loses_nothing(tmp_path: Path, scenario: str) -> None:
    """ENOSPC at any step is a CatalogueStorage error, and the catalogue is whole."""
    make_before(tmp_path / "before")
    steps = steps_of(scenario, tmp_path / "before", tmp_path / "scratch")

    def full(step: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for number in range(len(steps)):
        path = tmp_path / str(number)
        shutil.copytree(tmp_path / "before", path)
        with pytest.raises(CatalogueStorage, match="No space left on device"):
            SCENARIOS[scenario](path, stopper(number, full))
        check_whole(path, scenario)


@pytest.mark.parametrize("scenario", ["add", "compact", "remove", "save_graph"])
def test_ctrl_c_loses_nothing(tmp_path: Path, scenario: str) -> None:
    """KeyboardInterrupt at any step comes through, and the catalogue is whole."""
    make_before(tmp_path / "before")
    steps = steps_of(scenario, tmp_path / "before", tmp_path / "scratch")

    def interrupt(step: str) -> None:
        raise KeyboardInterrupt

    for number in range(len(steps)):
        path = tmp_path / str(number)
        shutil.copytree(tmp_path / "before", path)
        with pytest.raises(KeyboardInterrupt):
            SCENARIOS[scenario](path, stopper(number, interrupt))
        check_whole(path, scenario)


def test_the_same_object_goes_on_after_a_failed_add(tmp_path: Path) -> None:
    """After a step failed, the open catalogue and its index hold what is on disk, and the add can be repeated."""
    make_before(tmp_path / "c")
    for number in range(6):
        fail = [True]

        def full(step: str, fail: list[bool] = fail) -> None:
            if fail[0]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        shutil.copytree(tmp_path / "c", tmp_path / str(number))
        with opened(tmp_path / str(number), stopper(number, full)) as catalogue:
            assert len(catalogue.index) == 12
            try:
                catalogue.add_many([recording(10), recording(11)])
            except CatalogueStorage:
                fail[0] = False
            committed = len(catalogue) == 6
            assert {track.track_id for track in catalogue.tracks()} in AFTER["add"]
            assert len(catalogue.index) == 3 * len(catalogue)
            kinds = {type(result) for result in catalogue.add_many([recording(10), recording(11)])}
            assert kinds == {AlreadyEnrolled if committed else Added}
            found = catalogue.index.neighbours(recording(11).embedding_ND, 1)
            assert {catalogue.track(key).track_id for key in found.track_BK[:, 0].tolist()} == {"track-11"}


def test_a_file_size_limit_is_a_clear_error(tmp_path: Path) -> None:
    """A write that the operating system really refuses is reported, and nothing enrolled before is lost."""
    make_before(tmp_path / "c")
    program = (
        "import resource, signal, sys; from pathlib import Path; from tests.index.scenarios import *\n"
        "from index.errors import CatalogueStorage\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "catalogue = opened(Path(sys.argv[1]))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "try:\n    catalogue.add(recording(10, embeddings=400))\n"
        "except CatalogueStorage as error:\n    print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "c")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "File too large; nothing enrolled before is lost" in ran.stdout, ran.stderr
    check_whole(tmp_path / "c", "add")
    assert BEFORE
