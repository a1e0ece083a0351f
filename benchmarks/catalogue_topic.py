"""How long a catalogue takes through the topic, on a broker of its own: publish, copy, start again, one track more.

python -m benchmarks.catalogue_topic [--tracks 300]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.catalogue_memory import DIMENSIONS, ENCODER, recording
from index.catalogue import Catalogue
from stream_monitor.bench.machine import describe
from stream_monitor.clock import SystemClock
from stream_monitor.kafka.catalogue.following import Following
from stream_monitor.kafka.catalogue.publishing import publish
from stream_monitor.kafka.catalogue.settings import CatalogueSettings
from stream_monitor.kafka.client import Admin
from stream_monitor.kafka.settings import KafkaSettings, TopicSettings
from stream_monitor.kafka.topics import create
from tests.stack.kafka import Kafka

EMBEDDINGS = 24
ONE_BY_ONE = 10
TOPICS = TopicSettings(partitions=1, replication=1, min_in_sync=1)


@contextmanager
def followed(kafka: KafkaSettings, folder: Path) -> Iterator[float]:
    """A worker's copy, and how many seconds it took until it was what the topic was."""
    begun_s = time.monotonic()
    settings = CatalogueSettings(follow_topic=True)
    with Following(
        settings, kafka, TOPICS, folder, encoder=ENCODER, dimensions=DIMENSIONS, graph=False, clock=SystemClock()
    ) as following:
        following.wait(lambda: False)
        yield time.monotonic() - begun_s


def seconds(catalogue: Catalogue, kafka: KafkaSettings) -> float:
    """One `catalog publish`, without the program's start."""
    begun_s = time.monotonic()
    publish(catalogue, kafka, TOPICS)
    return time.monotonic() - begun_s


def measure(place: Path, kafka: KafkaSettings, tracks: int) -> dict[str, float]:
    """All of it."""
    found: dict[str, float] = {}
    with Catalogue.create(place / "enrolled", encoder_fingerprint=ENCODER, dimensions=DIMENSIONS) as source:
        source.add_many([recording(number, EMBEDDINGS) for number in range(tracks)])
        found["publish_s"] = seconds(source, kafka)
        found["publish_nothing_s"] = seconds(source, kafka)
        with followed(kafka, place / "copy") as found["copy_s"]:
            pass
        with followed(kafka, place / "copy") as found["start_from_mark_s"]:
            reader = Catalogue.open(place / "copy", encoder_fingerprint=ENCODER)
            waited = []
            for number in range(tracks, tracks + ONE_BY_ONE):
                source.add(recording(number, EMBEDDINGS))
                publish(source, kafka, TOPICS)
                published_s = time.monotonic()
                while not reader.refresh()[0]:
                    time.sleep(0.01)
                waited.append(time.monotonic() - published_s)
            reader.close()
    return found | {"published_to_copy_median_s": statistics.median(waited), "published_to_copy_worst_s": max(waited)}


def main() -> None:
    """Starts a broker, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=300)
    tracks = parser.parse_args().tracks
    with tempfile.TemporaryDirectory() as folder:
        broker = Kafka(Path(folder) / "kafka")
        broker.start()
        try:
            kafka = KafkaSettings(bootstrap_servers=broker.bootstrap)
            with Admin(kafka) as admin:
                create(admin, TOPICS)
            found = {name: round(value, 2) for name, value in measure(Path(folder), kafka, tracks).items()}
        finally:
            broker.stop()
    machine = describe(1, "python -m benchmarks.catalogue_topic")
    print(json.dumps({"machine": machine, "tracks": tracks, **found}, indent=1))  # noqa: T201  the result


if __name__ == "__main__":
    main()
