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
from stream_monitor.secret_file import secret_in

REFUSED: Final = 0x80
"""Reason codes from here on are refusals."""
NOT_LET_IN: Final = (0x86, 0x87)
"""Bad user name or password; not authorized."""
TOO_LARGE: Final = 0x95
WITHOUT_LIMIT: Final = 65_535
LARGEST: Final = 5 + 268_435_455
"""Bytes of a packet that MQTT can count."""
if hasattr(ReasonCode, "names"):
    # Mosquitto's message_size_limit answers so, which MQTT 5 does not allow: paho would end the connection each time.
    TAKERS: Final = [PacketTypes.CONNACK, PacketTypes.PUBACK, PacketTypes.DISCONNECT]
    ReasonCode.names = {**ReasonCode.names, TOO_LARGE: {"Packet too large": TAKERS}}


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
        return _distrusted(self.__cause__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What is published, with QoS 1."""

    topic: str
    payload: bytes
    content_type: str
    retain: bool = False
    expires_s: int | None = None
    """After so long the broker has it no longer; None keeps it."""
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

    @property
    def too_large(self) -> bool:
        """Whether it was refused for what it is: the same message would be refused each time."""
        return self.code == TOO_LARGE


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
            self._client.abandon()
            raise LostConnectionError(_advice(error, self._answer_s)) from error
        self._room = asyncio.Semaphore(min(self._most, self._client.most_in_flight))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Says goodbye where somebody is there to hear it."""
        try:
            await self._client.__aexit__(None, None, None)
        except aiomqtt.MqttError as error:
            raise LostConnectionError(str(error)) from error

    async def publish(self, message: Message, sent: Callable[[], None]) -> Answer:
        """Sends a message and waits for its PUBACK; one that the broker said is too large is answered for it.

        Args:
            message: What.
            sent: Called when it is handed to the socket.

        Raises:
            LostConnectionError: The connection ended before, or the broker was silent: nobody knows.
        """
        async with self._room:
            try:
                return await self._client.tell(message, sent, self._answer_s)
            except aiomqtt.MqttError as error:
                self._broken.set()
                raise LostConnectionError(str(error)) from error

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
        self._most_bytes = LARGEST
        """Of a packet, as the broker allows."""

    @property
    def gone(self) -> asyncio.Future[None]:
        """Done when the connection has ended."""
        return self._disconnected

    def reason(self) -> str:
        """Why it ended."""
        gone = self._disconnected
        error = gone.exception() if gone.done() else None
        return str(error) if error is not None else "the broker was silent" if not gone.done() else "closed"

    def abandon(self) -> None:
        """Lets go of a connection that did not come about; an answer that comes late would make it a good one."""
        self._client.disconnect()

    async def tell(self, message: Message, sent: Callable[[], None], wait_s: float) -> Answer:
        """Publishes and returns the broker's answer.

        Raises:
            MqttError: The connection ended, or there was no answer.
        """
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho gives it no types
        properties.ContentType = message.content_type
        properties.PayloadFormatIndicator = 1
        if message.expires_s is not None:
            properties.MessageExpiryInterval = message.expires_s
        if message.properties:
            properties.UserProperty = list(message.properties)
        size = _packet_bytes(message, len(properties.pack()))  # type: ignore[no-untyped-call]
        if size > self._most_bytes:
            return Answer(code=TOO_LARGE, words=f"it is {size} bytes, the broker takes {self._most_bytes}")
        info = self._client.publish(message.topic, message.payload, 1, message.retain, properties)
        if info.rc != MQTT_ERR_SUCCESS:
            raise aiomqtt.MqttCodeError(info.rc, "could not publish")
        answer = self._answers[info.mid] = asyncio.get_running_loop().create_future()
        try:
            sent()
            await asyncio.wait({answer, self._disconnected}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                code = answer.result()
                return Answer(code=code.value, words=str(code))
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
        self._most_bytes = getattr(properties, "MaximumPacketSize", LARGEST)
        super()._on_connect(client, userdata, flags, reason_code, properties)


def _packet_bytes(message: Message, properties_bytes: int) -> int:
    """Of its PUBLISH: the header, the topic with its length, the number, properties, payload."""
    rest = 2 + len(message.topic.encode()) + 2 + properties_bytes + len(message.payload)
    return 1 + max(1, -(-rest.bit_length() // 7)) + rest


def _distrusted(error: BaseException | None) -> bool:
    # aiomqtt takes the cause away; what came before it stays.
    return error is not None and isinstance(error.__context__, ssl.SSLCertVerificationError)


def _advice(error: aiomqtt.MqttError, answer_s: float) -> str:
    """Why there is no connection, and what to do where that is known."""
    code = getattr(getattr(error, "rc", None), "value", None)
    if code in NOT_LET_IN:
        return f"the broker lets us not in ({error}): it knows no such mqtt.username, or mqtt.password_file is wrong"
    if _distrusted(error) and "expired" in str(error):
        return f"the broker's certificate is out of date ({error}): it needs another, or our clock is wrong"
    if _distrusted(error):
        return f"the broker's certificate is not trusted ({error}): see mqtt.ca_file, and mqtt.host for its name"
    if not isinstance(error, aiomqtt.MqttCodeError) and "timed out" in str(error):
        return f"no answer within {answer_s:g} s; is it an MQTT broker, and has mqtt.tls to be set?"
    return str(error)


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
    return secret_in(settings.password_file, "mqtt.password_file")
