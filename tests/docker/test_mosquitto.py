"""The MQTT broker's configuration, run by a real Mosquitto: who gets in, and who may do what."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.docker.manifests import DOCKER
from tests.stack.mosquitto import PLACES
from tests.stack.server import HOST, Server, free_ports, listens

SHIPPED = DOCKER / "mosquitto"
PASSWORDS = {"relay": "of the relay", "alerts": "of a program"}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A Mosquitto with the shipped files; only folders and the port are others."""
    path = f"{os.environ.get('PATH', '')}:{PLACES}"
    program, passwd = shutil.which("mosquitto", path=path), shutil.which("mosquitto_passwd", path=path)
    if program is None or passwd is None or shutil.which("mosquitto_sub") is None:
        if os.environ.get("CI"):
            pytest.fail("mosquitto is missing: apt-get install mosquitto mosquitto-clients")
        pytest.skip("mosquitto is missing: apt-get install mosquitto mosquitto-clients")
    folder = tmp_path_factory.mktemp("mosquitto")
    (number,) = free_ports(1)
    passwords, acl = folder / "passwords", folder / "acl"
    passwords.touch(mode=0o600)
    for user, password in PASSWORDS.items():
        subprocess.run([passwd, "-b", passwords, user, password], check=True, capture_output=True, timeout=60)
    acl.write_text((SHIPPED / "acl").read_text())
    acl.chmod(0o600)
    text = (SHIPPED / "mosquitto.conf").read_text()
    text = text.replace("listener 1883", f"listener {number} {HOST}")
    text = text.replace("/run/secrets/mosquitto_passwords", str(passwords))
    text = text.replace("/mosquitto/config/acl", str(acl)).replace("/mosquitto/data", str(folder))
    assert not re.search(r"(?:/run/|/mosquitto/)", text), "every folder of the image was replaced"
    settings = folder / "mosquitto.conf"
    settings.write_text(f"{text}\nuser root\n")
    server = Server(name="mosquitto", folder=folder, command=[program, "-c", str(settings)])
    server.start(lambda: listens(number))
    try:
        yield number
    finally:
        server.stop()


def _client(port: int, program: str, user: str | None, *arguments: str) -> list[str]:
    login = [] if user is None else ["-u", user, "-P", PASSWORDS[user]]
    return [program, "-V", "5", "-h", HOST, "-p", str(port), "-q", "1", *login, *arguments]


def _publish(port: int, user: str | None, topic: str) -> subprocess.CompletedProcess[str]:
    command = _client(port, "mosquitto_pub", user, "-t", topic, "-m", "played", "-r")
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_nobody_gets_in_without_a_password(port: int) -> None:
    """A client without a name is refused."""
    done = _publish(port, None, "music/broadcast/fm-1/final")
    assert done.returncode != 0
    assert "not authori" in done.stderr.lower()


def test_what_the_relay_tells_is_heard(port: int) -> None:
    """The relay writes below music/, and a program that listens reads it."""
    assert _publish(port, "relay", "music/broadcast/fm-1/state").returncode == 0
    command = _client(port, "mosquitto_sub", "alerts", "-t", "music/broadcast/fm-1/state", "-C", "1", "-W", "60")
    heard = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert heard.stdout == "played\n", heard.stderr


def test_programs_that_listen_cannot_tell(port: int) -> None:
    """What a listening program writes is refused, and reaches nobody; so is what the relay writes elsewhere."""
    for user, topic in (("alerts", "music/broadcast/fm-2/state"), ("relay", "elsewhere")):
        done = _publish(port, user, topic)
        assert "not authori" in (done.stdout + done.stderr).lower(), done
