"""What `doctor` says of a real MQTT broker: who is let in, over TLS and not, and whether events may be told."""

from __future__ import annotations

import gc
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream_monitor.config import Config
from stream_monitor.doctor.examination import examine
from stream_monitor.doctor.finding import Finding
from stream_monitor.doctor.mqtt_checks import mqtt_checks
from tests.stack.certificates import Authority
from tests.stack.mosquitto import Mosquitto
from tests.stack.needed import or_skipped
from tests.stack.server import free_ports

PASSWORD = "kept-From-every-line-4410"
ACCESS = "user relay\ntopic write music/#\nuser mute\ntopic read music/#\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Passwords, an access list, certificates."""
    folder = tmp_path_factory.mktemp("mqtt")
    for n, name in enumerate(("relay", "mute")):
        make = ["mosquitto_passwd", *(["-c"] if n == 0 else []), "-b", str(folder / "passwords"), name, PASSWORD]
        subprocess.run(make, check=True, capture_output=True)
    (folder / "acl").write_text(ACCESS, encoding="utf-8")
    (folder / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
    (folder / "wrong").write_text("another\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def broker(folder: Path) -> Iterator[Mosquitto]:
    """With TLS and users; with CI=true a missing one fails, else the tests are skipped with the reason."""
    with or_skipped():
        own = Authority(folder, "authority").issue("broker")
        secured = f"certfile {own.certificate}\nkeyfile {own.key}\nallow_anonymous false\n"
        users = f"password_file {folder / 'passwords'}\nacl_file {folder / 'acl'}\n"
        mosquitto = Mosquitto(folder / "server", extra=secured + users)
        mosquitto.start()
    yield mosquitto
    mosquitto.stop()


def found(**keys: Any) -> Finding:
    """The one line."""
    config = Config.model_validate({"mqtt": {"host": "127.0.0.1", "answer_s": 5.0, **keys}})
    (finding,) = examine(mqtt_checks(config))
    assert PASSWORD not in f"{finding.message} {finding.advice}"
    return finding


def test_alerts_that_nobody_configured_are_no_failure() -> None:
    """Neither where the group of keys is missing nor where it says that there is no broker."""
    (finding,) = examine(mqtt_checks(Config()))
    assert (finding.level, finding.message) == ("good", "not configured: there is no key mqtt")
    assert (found(host=None).level, found(host=None).message) == ("good", "off: mqtt.host is null")


def test_who_may_tell_is_found_good(broker: Mosquitto, folder: Path) -> None:
    """The configured user, TLS and topic are those that are tried."""
    way_in = {"port": broker.port, "tls": True, "ca_file": folder / "authority.pem"}
    finding = found(**way_in, username="relay", password_file=folder / "password", client_id="relay")
    topic = "music/broadcast/stream-monitor-doctor/state"
    assert (finding.level, finding.message) == (
        "good",
        f"127.0.0.1:{broker.port} lets in user 'relay' over TLS and takes {topic}",
    )
    finding = found(**way_in, username="relay", password_file=folder / "password", state_topic=None)
    assert (finding.level, "was not tried" in finding.message) == ("good", True)


# The client leaves its socket to the garbage where it does not believe a certificate.
@pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning")
@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"username": "relay", "password_file": "wrong"}, "correct mqtt.username and mqtt.password_file"),
        ({}, "correct mqtt.username and mqtt.password_file"),
        ({"username": "mute", "password_file": "password"}, "let user 'mute' write there"),
        ({"ca_file": "other.pem"}, "mqtt.ca_file has to hold"),
        ({"ca_file": "gone.pem"}, "gone.pem cannot be used"),
        ({"tls": False, "ca_file": None}, "without TLS is what mqtt.tls says"),
    ],
)
def test_who_may_not_is_told_what_to_do(broker: Mosquitto, folder: Path, keys: dict[str, Any], words: str) -> None:
    """Each reason has its advice."""
    Authority(folder, "other")
    files = {key: folder / name for key, name in keys.items() if key.endswith("_file") and name is not None}
    finding = found(**{"port": broker.port, "tls": True, "ca_file": folder / "authority.pem", **keys, **files})
    gc.collect()
    assert finding.level == "bad"
    assert words in f"{finding.message} {finding.advice}"


def test_a_broker_that_is_not_there_is_told() -> None:
    """With the keys that say where it should be."""
    finding = found(port=free_ports(1)[0])
    assert finding.level == "bad"
    assert "correct mqtt.host and mqtt.port" in finding.advice
