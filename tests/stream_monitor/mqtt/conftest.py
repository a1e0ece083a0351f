"""Mosquitto with settings of a test's own, and certificates for it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.stack.mosquitto import Mosquitto
from tests.stack.needed import or_skipped
from tests.stack.server import HOST
from tests.stream_monitor.kafka.conftest import collected

__all__ = ["collected"]

Start = Callable[[str], Mosquitto]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a broker with more settings; with CI=true a missing one fails, else the tests are skipped."""
    started: list[Mosquitto] = []

    def begin(extra: str) -> Mosquitto:
        with or_skipped():
            broker = Mosquitto(tmp_path / f"mosquitto-{len(started)}", extra=extra)
        started.append(broker)
        broker.start()
        return broker

    yield begin
    for broker in started:
        broker.stop()


def authority(folder: Path, name: str) -> Path:
    """A certificate that signs itself, for the loopback; its key lies beside it as NAME.key."""
    certificate = folder / f"{name}.crt"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-subj", f"/CN={name}", "-addext", f"subjectAltName=IP:{HOST}"]
    command += ["-keyout", str(folder / f"{name}.key"), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate


@pytest.fixture
def guarded(start: Start, tmp_path: Path) -> Mosquitto:
    """Takes TLS only, from `relay` (password `tulip`) and `reader` (`fern`); its certificate is `broker.crt`."""
    certificate = authority(tmp_path, "broker")
    (tmp_path / "users").touch(mode=0o600)
    for user, password in {"relay": "tulip", "reader": "fern"}.items():
        subprocess.run(["mosquitto_passwd", "-b", str(tmp_path / "users"), user, password], check=True)
    extra = f"certfile {certificate}\nkeyfile {certificate.with_suffix('.key')}\n"
    return start(f"{extra}allow_anonymous false\npassword_file {tmp_path}/users\n")
