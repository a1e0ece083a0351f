"""Events to an MQTT broker, each until it is acknowledged. It knows nothing of Kafka or of the client's library.

A refusal (e.g. by the broker's access list) is tried again for ever, shown and never passed by: whoever may write there
is set on the broker, and the alert arrives when it is set right. Only a message that is larger than the broker allows
is given up. What is open in a stream is one retained message; that nothing is open in an upload any more goes from the
broker by itself after a while, since uploads are without number.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from stream_monitor.kafka.outbox import Labelled
from stream_monitor.mqtt.connection import Connection, LostConnectionError, Message, password, tls_context
from stream_monitor.mqtt.settings import MqttSettings
from stream_monitor.mqtt.topic import state_topic_of, topic_of
from stream_monitor.relay.alert import TRACEPARENT, Alert, Stream
from stream_monitor.relay.backoff import Backoff
from stream_monitor.relay.destination import Delivery, UndeliverableError
from stream_monitor.relay.open_plays import Plays
from stream_monitor.telemetry.relay_metrics import RelayMetrics

log = structlog.get_logger(__name__)

NAME: Final = "mqtt"
UPLOAD: Final = "upload"
EVENT_TYPE, STATE_TYPE = "application/cloudevents+json", "application/json"
TURN_S: Final = 0.05
"""After a loss, until `run` has seen it too and has taken the connection away."""
SHOWN: Final = 5
"""Refused topics that /readyz names."""


class MqttDestination:
    """One broker."""

    name = NAME

    def __init__(
        self,
        settings: MqttSettings,
        backoff: Callable[[], Backoff],
        metrics: RelayMetrics,
        *,
        at: Labelled = lambda _: None,
    ) -> None:
        """Connects to nothing.

        Args:
            settings: Where to.
            backoff: Waits between tries.
            metrics: What is counted.
            at: See `Labelled`; the places are `before PUBACK` and `after PUBACK`.

        Raises:
            SettingsError: A certificate or the password cannot be read.
        """
        self._settings = settings
        self._tls = tls_context(settings)
        self._password = password(settings)
        self._backoff = backoff
        self._metrics = metrics
        self._at = at
        self._connection: Connection | None = None
        self._connected = asyncio.Event()
        self._connects = 0
        self._down: str | None = "not connected yet"
        self._refused: dict[str, str] = {}

    @property
    def at_once(self) -> int:
        """As many as may be on their way."""
        return self._settings.in_flight

    @property
    def tells_plays(self) -> bool:
        """Where a topic is set."""
        return self._settings.state_topic is not None

    @property
    def reconnects(self) -> int:
        """How often there was another connection than the first."""
        return max(0, self._connects - 1)

    @property
    def lingers_s(self) -> float:
        """By then a broker has cut off a relay whose last words are still on their way."""
        return 1.5 * self._settings.keepalive_s + self._settings.answer_s

    def complaints(self) -> Sequence[str]:
        """Why nothing gets through, and what is refused."""
        down, refused = self._down, list(self._refused.items())
        more = [f"{NAME}: {len(refused) - SHOWN} more topics are refused"] if len(refused) > SHOWN else []
        return (
            *([f"{NAME}: {self._settings.host}:{self._settings.port}: {down}"] if down is not None else []),
            *(f"{NAME}: {topic} is refused: {words}" for topic, words in refused[:SHOWN]),
            *more,
        )

    async def run(self) -> None:
        """Keeps a connection until it is cancelled."""
        waits = self._backoff()
        where = f"{self._settings.host}:{self._settings.port}"
        while True:
            try:
                async with Connection(self._settings, self._tls, self._password) as connection:
                    log.info("connected to the MQTT broker", where=where)
                    waits.reset()
                    self._down, self._connection = None, connection
                    self._connects += 1
                    self._connected.set()
                    try:
                        self._down = await connection.ended()
                    finally:
                        self._connected.clear()
                        self._connection = None
            except LostConnectionError as error:
                self._down = str(error)
            wait_s = waits.next_s()
            log.warning("no MQTT broker; events wait", where=where, reason=self._down, next_try_s=round(wait_s, 1))
            await asyncio.sleep(wait_s)
            self._metrics.reconnects.labels(NAME).inc()

    async def deliver(self, delivery: Delivery) -> None:
        """Tells the event, then what is open; returns when both are acknowledged.

        Raises:
            UndeliverableError: The event is larger than the broker allows (code `mqtt_too_large`).
        """
        too_large = None
        if delivery.alert is not None:
            try:
                await self._until_taken(self._event(delivery.alert))
            except UndeliverableError as error:
                too_large = error
        if delivery.plays is not None and self._settings.state_topic is not None:
            await self._tell_state(delivery.stream, delivery.plays)
        if too_large is not None:
            raise too_large

    async def _tell_state(self, stream: Stream, plays: Plays) -> None:
        """What is open; where that is too large, nothing at all rather than what was open before."""
        message = self._state(stream, plays)
        try:
            await self._until_taken(message)
        except UndeliverableError as error:
            self._metrics.states_removed.labels(NAME).inc()
            log.error("what is open in a stream is not told: its message is taken away", reason=str(error))
            await self._until_taken(replace(message, payload=b""))

    def _event(self, alert: Alert) -> Message:
        properties = [("id", alert.event_id), ("type", alert.type)]
        if alert.traceparent is not None:
            properties.append((TRACEPARENT, alert.traceparent))
        topic = topic_of(self._settings.topic, alert)
        return Message(topic=topic, payload=alert.value, content_type=EVENT_TYPE, properties=properties)

    def _state(self, stream: Stream, plays: Plays) -> Message:
        # ASCII: what an event escapes (half a letter) may not be there as it is.
        payload = json.dumps({"plays": list(plays)}, separators=(",", ":")).encode()
        topic = state_topic_of(str(self._settings.state_topic), stream)
        goes = stream.kind == UPLOAD and not plays
        expires_s = max(1, round(3600 * self._settings.upload_state_hours)) if goes else None
        return Message(topic=topic, payload=payload, content_type=STATE_TYPE, retain=True, expires_s=expires_s)

    async def _until_taken(self, message: Message) -> None:
        waits, in_flight = self._backoff(), self._metrics.in_flight.labels(NAME)
        try:
            while True:
                await self._connected.wait()
                connection = self._connection
                if connection is None:
                    continue
                try:
                    with in_flight.track_inprogress():
                        answer = await connection.publish(message, lambda: self._at("before PUBACK"))
                except LostConnectionError as error:
                    log.warning("a message is sent again", topic=message.topic, reason=str(error))
                    await asyncio.sleep(TURN_S)
                    continue
                if not answer.refused:
                    self._at("after PUBACK")
                    return
                if answer.too_large:
                    words = f"the MQTT broker takes no such message of {message.topic}: {answer.words}"
                    raise UndeliverableError("mqtt_too_large", words)
                self._refused[message.topic] = answer.words
                self._metrics.refused.labels(NAME, f"0x{answer.code:02x}").inc()
                wait_s = waits.next_s()
                log.error(
                    "relay refused: the MQTT broker does not take a message; it is tried again",
                    topic=message.topic,
                    code=f"0x{answer.code:02x}",
                    reason=answer.words,
                    next_try_s=round(wait_s, 1),
                )
                await asyncio.sleep(wait_s)
        finally:
            self._refused.pop(message.topic, None)
