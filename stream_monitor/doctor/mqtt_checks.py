"""The MQTT broker: does it let the relay in, and take what it tells? It knows nothing of Kafka.

What is published to try it is true and changes nothing: that nothing is open in a stream that there is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from stream_monitor.config import Config
from stream_monitor.doctor.finding import Check, Finding, bad, good
from stream_monitor.mqtt.connection import Connection, LostConnectionError, Message, password, tls_context
from stream_monitor.mqtt.publishing import STATE_TYPE
from stream_monitor.mqtt.settings import MqttSettings
from stream_monitor.mqtt.topic import state_topic_of
from stream_monitor.relay.alert import Stream

NOBODY: Final = Stream(kind="broadcast", stream_id="stream-monitor-doctor")


def mqtt_checks(config: Config) -> list[Check]:
    """In the order in which they are told."""
    return [Check(name="mqtt", look=lambda: _mqtt(config), deadline_s=3 * config.mqtt.answer_s + 10.0)]


def _mqtt(config: Config) -> Sequence[Finding]:
    if "mqtt" not in config.model_fields_set:
        return [good("mqtt", "not configured: there is no key mqtt")]
    if config.mqtt.host is None:
        return [good("mqtt", "off: mqtt.host is null")]
    return [asyncio.run(_tried(config.mqtt))]


async def _tried(settings: MqttSettings) -> Finding:
    # Under its own name the broker would throw out the relay that runs.
    nameless = settings.model_copy(update={"client_id": None})
    who = "whoever comes" if settings.username is None else f"user {settings.username!r}"
    where = f"{settings.host}:{settings.port}"
    try:
        async with Connection(nameless, tls_context(settings), password(settings)) as connection:
            entered = f"{where} lets in {who}" + (" over TLS" if settings.tls else "")
            if settings.state_topic is None:
                return good("mqtt", f"{entered}; whether it takes events was not tried: mqtt.state_topic is null")
            topic = state_topic_of(settings.state_topic, NOBODY)
            message = Message(topic=topic, payload=b'{"plays":[]}', content_type=STATE_TYPE)
            answer = await connection.publish(message, lambda: None)
    except LostConnectionError as error:
        return bad("mqtt", f"{where}: {error}", _advice(settings, error))
    if answer.refused:
        advice = f"let {who} write there in the broker's access list: events would wait"
        return bad("mqtt", f"{entered} and does not take {topic}: {answer.words}", advice)
    return good("mqtt", f"{entered} and takes {topic}")


def _advice(settings: MqttSettings, error: LostConnectionError) -> str:
    if error.refused:
        return "correct mqtt.username and mqtt.password_file, or the user on the broker"
    if error.distrusted:
        return "mqtt.ca_file has to hold the certificate of the authority that signed the broker's"
    spoken = "with TLS" if settings.tls else "without TLS"
    return f"start it, or correct mqtt.host and mqtt.port; {spoken} is what mqtt.tls says"
