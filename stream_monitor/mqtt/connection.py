"""One MQTT 5 connection that says how each message was taken. The only module that knows the client's library.

aiomqtt drops the reason code of a PUBACK, so a refusal looks like success there. This client reads it from the callback
of paho below. It does not reconnect: a new one is made instead, and paho's own queue goes with the old one.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiomqtt
from paho.mqtt.client import MQTT_ERR_SUCCESS, ConnectFlags
from paho.mqtt.client import Client as Paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from stream_monitor.errors import MonitorError, SettingsError
from stream_monitor.mqtt.settings import MqttSettings

REFUSED: Final = 0x80
"""Reason codes from here on are refusals."""
WITHOUT_LIMIT: Final = 65_535


class LostConnectionError(MonitorError):
    """The broker is not there, lets us not in, or is silent."""

    retriable = True

    @property
    def refused(self) -> bool:
        """Whether a broker was there and said no."""
        return isinstance(self.__cause__, aiomqtt.MqttCodeError)

    @property
    def distrusted(self) -> bool:
        """Whether it was us who did not believe the broker's certificate."""
        # aiomqtt takes the cause away; what came before it stays.
        return self.__cause__ is not None and isinstance(self.__cause__.__context__, ssl.SSLCertVerificationError)


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What is published, with QoS 1."""

    topic: str
    payload: bytes
    content_type: str
    retain: bool = False
    properties: Sequence[tuple[str, str]] = ()
    """User properties."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The broker's PUBACK."""

    code: int
    words: str

    @property
    def refused(self) -> bool:
        """Whether the message was not taken."""
        return self.code >= REFUSED


class Connection:
    """One connection, open inside `async with`."""

    def __init__(self, settings: MqttSettings, tls: ssl.SSLContext | None, password: str | None) -> None:
        """Connects to nothing; needs a running event loop."""
        self._answer_s = settings.answer_s
        self._broken = asyncio.Event()
        self._client = _Client(
            str(settings.host),
            settings.port,
            identifier=settings.client_id,
            username=settings.username,
            password=password,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=True,
            tls_context=tls,
            keepalive=settings.keepalive_s,
            timeout=settings.answer_s,
            max_inflight_messages=settings.in_flight,
        )
        self._client.pending_calls_threshold = settings.in_flight
        self._most = settings.in_flight
        self._room = asyncio.Semaphore(settings.in_flight)

    async def __aenter__(self) -> Connection:
        """Connects.

        Raises:
            LostConnectionError: No broker answers, or it lets us not in.
        """
        try:
            await self._client.__aenter__()
        except aiomqtt.MqttError as error:
            raise LostConnectionError(str(error)) from error
        self._room = asyncio.Semaphore(min(self._most, self._client.most_in_flight))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Says goodbye where somebody is there to hear it."""
        try:
            await self._client.__aexit__(None, None, None)
        except aiomqtt.MqttError as error:
            raise LostConnectionError(str(error)) from error

    async def publish(self, message: Message, sent: Callable[[], None]) -> Answer:
        """Sends a message and waits for its PUBACK.

        Args:
            message: What.
            sent: Called when it is handed to the socket.

        Raises:
            LostConnectionError: The connection ended before, or the broker was silent: nobody knows.
        """
        async with self._room:
            try:
                answer = await self._client.tell(message, sent, self._answer_s)
            except aiomqtt.MqttError as error:
                self._broken.set()
                raise LostConnectionError(str(error)) from error
        return Answer(code=answer.value, words=str(answer))

    async def ended(self) -> str:
        """Waits until the connection is no longer good; says why."""
        broken = asyncio.ensure_future(self._broken.wait())
        either: set[asyncio.Future[Any]] = {broken, self._client.gone}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            broken.cancel()
        return self._client.reason()


class _Client(aiomqtt.Client):
    """aiomqtt's, with the PUBACK's reason code. Its protected members are used here and nowhere else."""

    def __init__(self, host: str, port: int, **options: Any) -> None:
        super().__init__(host, port, **options)
        self._answers: dict[int, asyncio.Future[ReasonCode]] = {}
        self.most_in_flight = WITHOUT_LIMIT
        """What the broker allows."""

    @property
    def gone(self) -> asyncio.Future[None]:
        """Done when the connection has ended."""
        return self._disconnected

    def reason(self) -> str:
        """Why it ended."""
        gone = self._disconnected
        error = gone.exception() if gone.done() else None
        return str(error) if error is not None else "the broker was silent" if not gone.done() else "closed"

    async def tell(self, message: Message, sent: Callable[[], None], wait_s: float) -> ReasonCode:
        """Publishes and returns the reason code.

        Raises:
            MqttError: The connection ended, or there was no answer.
        """
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho gives it no types
        properties.ContentType = message.content_type
        properties.PayloadFormatIndicator = 1
        if message.properties:
            properties.UserProperty = list(message.properties)
        info = self._client.publish(message.topic, message.payload, 1, message.retain, properties)
        if info.rc != MQTT_ERR_SUCCESS:
            raise aiomqtt.MqttCodeError(info.rc, "could not publish")
        answer = self._answers[info.mid] = asyncio.get_running_loop().create_future()
        try:
            sent()
            await asyncio.wait({answer, self._disconnected}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                code: ReasonCode = answer.result()
                return code
        finally:
            del self._answers[info.mid]
        raise aiomqtt.MqttError(
            "the connection ended before the PUBACK" if self._disconnected.done() else f"no PUBACK within {wait_s:g} s"
        )

    def _on_publish(
        self, client: Paho, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        answer = self._answers.get(mid)
        if answer is not None and not answer.done():
            answer.set_result(reason_code)

    def _on_connect(
        self,
        client: Paho,
        userdata: Any,
        flags: ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.most_in_flight = getattr(properties, "ReceiveMaximum", WITHOUT_LIMIT)
        super()._on_connect(client, userdata, flags, reason_code, properties)


def tls_context(settings: MqttSettings) -> ssl.SSLContext | None:
    """How connections are secured; None where they are not.

    Raises:
        SettingsError: A certificate cannot be used.
    """
    if not settings.tls:
        return None
    files = (settings.ca_file, settings.certificate_file, settings.key_file)
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.certificate_file is not None:
            context.load_cert_chain(settings.certificate_file, settings.key_file)
    except (OSError, ssl.SSLError) as error:
        named = ", ".join(str(path) for path in files if path is not None)
        raise SettingsError(f"mqtt: the certificates {named} cannot be used: {error}") from error
    return context


def password(settings: MqttSettings) -> str | None:
    """What the file holds.

    Raises:
        SettingsError: It cannot be read.
    """
    if settings.password_file is None:
        return None
    try:
        return settings.password_file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"mqtt.password_file {settings.password_file}: {reason}") from error
