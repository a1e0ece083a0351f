"""`stream-monitor produce`: audio into Kafka. It puts the parts together; every decision is made elsewhere."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import structlog

if TYPE_CHECKING:
    from stream_monitor.config import Config
    from stream_monitor.segments import StreamKind
    from stream_monitor.sources import Source

log = structlog.get_logger(__name__)


@click.command(short_help="Puts audio into Kafka as segments.")
@click.argument("sources", metavar="[ID=]SOURCE...", nargs=-1)
@click.option("--stations", type=click.Path(path_type=Path), help="YAML list of further sources.")
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="Configuration file (YAML).")
@click.option("--bootstrap-servers", help="host:port of some brokers; overrules the configuration.")
@click.option("--topic", help="Where everything goes; else each kind of stream to its own topic.")
@click.option("--kind", type=click.Choice(["broadcast", "upload"]), help="What all sources are.")
@click.option("--epoch", type=click.IntRange(0), help="Start in Unix milliseconds of files and standard input; now.")
@click.option("--realtime", is_flag=True, help="Files no faster than they would be heard.")
@click.option("--trace", is_flag=True, help="Each segment begins a W3C trace, which its events hand on.")
def produce(
    sources: tuple[str, ...],
    stations: Path | None,
    config_path: Path | None,
    bootstrap_servers: str | None,
    topic: str | None,
    kind: StreamKind | None,
    epoch: int | None,
    realtime: bool,
    trace: bool,
) -> int:
    """Sends SOURCES (files, folders, http(s) addresses, - for standard input) as segments, FLAC at 22,050 Hz.

    Each segment (5 s, produce.segment_s) decodes alone and is keyed by its stream. Files are uploads, the rest
    broadcasts, unless told. A source that fails is told and the others go on; its stream is left without an end mark.
    Thousands of addresses are read on one event loop; those that need a demuxer (HLS, Ogg, files) take a thread each,
    produce.stations.reader_threads at most.
    """
    from encoder.grid import SAMPLE_RATE
    from stream_monitor.config import load
    from stream_monitor.errors import SettingsError
    from stream_monitor.kafka.settings import KafkaSettings, is_topic_name
    from stream_monitor.kafka.stations import read_stations
    from stream_monitor.segments import LATEST_MS
    from stream_monitor.sources import check_sources, parse_sources

    config = load(config_path)
    if bootstrap_servers is not None:
        try:
            kafka = KafkaSettings.model_validate({**config.kafka.model_dump(), "bootstrap_servers": bootstrap_servers})
        except ValueError:
            raise SettingsError(f"--bootstrap-servers {bootstrap_servers!r}: host:port, with commas between") from None
        config = config.model_copy(update={"kafka": kafka})
    if topic is not None and not is_topic_name(topic):
        raise SettingsError(f"--topic {topic!r}: a topic has 1 to 245 letters, digits, dots, - and _")
    if epoch is not None and epoch > LATEST_MS:
        raise SettingsError(
            f"--epoch {epoch} is after the year 9998: it is in Unix milliseconds, {round(time.time() * 1000)} now"
        )
    if trace:
        config = config.model_copy(update={"produce": config.produce.model_copy(update={"trace": True})})
    found = parse_sources(sources, kind=kind) + ([] if stations is None else read_stations(stations))
    if not found:
        raise SettingsError("nothing to send: name a SOURCE, or give --stations FILE")
    check_sources(found)
    if epoch is not None and (dated := next((each for each in found if each.medium == "url"), None)):
        raise SettingsError(
            f"--epoch is of files and standard input: {dated.location} dates its own connections; leave --epoch out, or"
            " send addresses by a command of their own"
        )
    if topic is not None:
        _check_topic(topic, found, config)
    found = [replace(source, segment_samples=round(config.produce.segment_s * SAMPLE_RATE)) for source in found]
    return _run(found, config, topic, round(time.time() * 1000) if epoch is None else epoch, realtime)


def _check_topic(topic: str, sources: list[Source], config: Config) -> None:
    """A worker takes no stream of one kind from the topic of the other; what a topic that it does not read is for is
    not known."""
    from stream_monitor.errors import SettingsError

    kind = config.topics.kind(topic)
    if kind is None and topic in config.topics.names:
        raise SettingsError(f"--topic {topic}: the configuration has it for something else than audio")
    for source in sources:
        if kind not in (None, source.kind):
            raise SettingsError(
                f"--topic {topic} is for streams of kind {kind}, and {source.stream_id!r} is of kind {source.kind}:"
                f" say --kind {kind}, or leave --topic out"
            )


def _run(sources: list[Source], config: Config, topic: str | None, epoch: int, realtime: bool) -> int:
    from encoder.grid import SAMPLE_RATE
    from stream_monitor.cli.interruption import interruption
    from stream_monitor.cli.open_files import allow_open_files
    from stream_monitor.clock import SystemClock
    from stream_monitor.kafka.client import Producer
    from stream_monitor.kafka.drain import Drain
    from stream_monitor.kafka.losses import Losses
    from stream_monitor.kafka.produce_observed import ProduceObserved
    from stream_monitor.kafka.producing import produce as send_all
    from stream_monitor.reading import read_segments
    from stream_monitor.stopping import Stop

    files = sum(source.medium == "file" for source in sources)
    urls = sum(source.medium == "url" for source in sources)
    allow_open_files((files if realtime else min(files, config.monitor.open_files)) + urls)
    stop, clock = Stop(), SystemClock()
    losses = Losses(clock)
    observed = ProduceObserved(config.telemetry, losses)
    with interruption() as interrupted, observed:
        drain = Drain(interrupted, clock=clock, seconds=config.produce.drain_s)
        with Producer(config.kafka, deadline_s=config.produce.deliver_s, left_s=drain.left_s) as producer:
            result = send_all(
                sources,
                partial(read_segments, stop=stop),
                producer,
                topics=config.topics,
                epoch=epoch,
                config=config.monitor,
                settings=config.produce,
                policy=config.reconnect,
                clock=clock,
                stop=stop,
                drain=drain,
                losses=losses,
                realtime=realtime,
                topic=topic,
                sent=observed.sent,
                addresses=observed.addresses,
            )
    for stream_id, error in result.failures:
        log.error(str(error), stream=stream_id, kind=type(error).__name__)
    sys.stderr.write(f"{result.records} segments, {result.samples / SAMPLE_RATE / 60:.1f} minutes of audio sent\n")
    if result.interrupted:
        return 130
    return 1 if result.failures else 0
