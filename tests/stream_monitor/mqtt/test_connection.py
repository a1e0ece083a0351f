"""One connection to a real Mosquitto: what it says when it is not let in, and how large a message may be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from stream_monitor.errors import SettingsError
from stream_monitor.mqtt.connection import Answer, Connection, LostConnectionError, Message, password, tls_context
from stream_monitor.mqtt.settings import MqttSettings
from tests.stack.certificates import Authority
from tests.stack.mosquitto import Mosquitto
from tests.stack.server import HOST, free_ports
from tests.stream_monitor.mqtt.conftest import Start, authority

# The client leaves a socket to the garbage where a broker's certificate is not trusted.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning"),
    pytest.mark.usefixtures("collected"),
]


def connected(settings: MqttSettings, then: Callable[[Connection], Awaitable[Any]]) -> Any:
    """What comes of it on a connection."""

    async def run() -> Any:
        async with Connection(settings, tls_context(settings), password(settings)) as connection:
            return await then(connection)

    return asyncio.run(run())


async def publish(connection: Connection, size: int = 2) -> Answer:
    """A message with a payload of so many bytes."""
    message = Message(topic="music/ä", payload=b"x" * size, content_type="text/plain", properties=[("id", "1")])
    return await connection.publish(message, lambda: None)


def guarded_settings(guarded: Mosquitto, folder: Path, *, secret: str = "tulip", ca: str = "broker") -> MqttSettings:
    """For the broker that lets in one user, by TLS."""
    (folder / "secret").write_text(f"{secret}\n")
    return MqttSettings(
        host=HOST,
        port=guarded.port,
        tls=True,
        ca_file=folder / f"{ca}.crt",
        username="relay",
        password_file=folder / "secret",
        answer_s=2.0,
    )


def test_tls_with_user_and_password_is_let_in(guarded: Mosquitto, tmp_path: Path) -> None:
    """The end of line of the password's file does not belong to it."""
    assert not connected(guarded_settings(guarded, tmp_path), publish).refused


@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")  # paho leaves it to the collector
def test_who_is_not_let_in_is_told_why(guarded: Mosquitto, tmp_path: Path) -> None:
    """A wrong password, an unknown authority, no TLS where it is needed: what to look at, and no password."""
    authority(tmp_path, "stranger")
    good = guarded_settings(guarded, tmp_path)
    plain = {"tls": False, "ca_file": None}
    (port,) = free_ports(1)
    cases = [
        (
            guarded_settings(guarded, tmp_path, ca="stranger"),
            r"certificate is not trusted .*self.signed.*mqtt\.ca_file",
        ),
        (good.model_copy(update=plain), r"no answer within 2 s; .*mqtt\.tls"),
        (good.model_copy(update={"port": port}), "refused"),
        (guarded_settings(guarded, tmp_path, secret="rose"), r"lets us not in .*not authori[sz]ed.*password_file"),
    ]
    for settings, words in cases:
        with pytest.raises(LostConnectionError, match=rf"(?i){words}") as caught:
            connected(settings, publish)
        assert "tulip" not in str(caught.value) and "rose" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"names": "DNS:mqtt.example.org"}, r"not trusted .*mismatch.*mqtt\.host for its name"),
        ({"days": "-1"}, r"out of date .*expired.*clock"),
    ],
)
def test_a_certificate_for_another_name_or_time_is_refused(
    start: Start, tmp_path: Path, changes: dict[str, str], words: str
) -> None:
    """Signed by whom we trust, and yet not believed; the message says why."""
    signer = Authority(tmp_path / "signer")
    own = signer.issue("broker", **changes)
    broker = start(f"certfile {own.certificate.resolve()}\nkeyfile {own.key.resolve()}\nallow_anonymous true\n")
    settings = MqttSettings(host=HOST, port=broker.port, tls=True, ca_file=signer.certificate, answer_s=5.0)
    with pytest.raises(LostConnectionError, match=words) as caught:
        connected(settings, publish)
    assert caught.value.distrusted


def test_files_that_cannot_be_read_end_at_once(tmp_path: Path) -> None:
    """Before anything is asked of a broker, with the key that names them."""
    (tmp_path / "rubbish").write_text("no certificate")
    with pytest.raises(SettingsError, match=r"mqtt: the certificates .*rubbish cannot be used"):
        tls_context(MqttSettings(tls=True, ca_file=tmp_path / "rubbish"))
    with pytest.raises(SettingsError, match=r"mqtt\.password_file .*absent: it cannot be read: No such file"):
        password(MqttSettings(username="relay", password_file=tmp_path / "absent"))


def test_a_message_is_as_large_as_the_broker_says(start: Start) -> None:
    """To the byte: the largest is taken; one byte more is answered here, and the connection stays."""
    broker = start("max_packet_size 1000\n")

    async def sizes(connection: Connection) -> dict[int, bool]:
        return {size: (await publish(connection, size)).too_large for size in (961, 962, 200_000, 100)}

    # The header has 3 bytes, the topic 10, the packet's number 2, the properties 24.
    found = connected(MqttSettings(host=HOST, port=broker.port), sizes)
    assert found == {961: False, 962: True, 200_000: True, 100: False}


def test_a_broker_may_say_it_later(start: Start) -> None:
    """A limit on payloads is told by the PUBACK and means the same."""
    broker = start("message_size_limit 500\n")
    answer = connected(MqttSettings(host=HOST, port=broker.port), lambda connection: publish(connection, 501))
    assert answer.too_large, answer
