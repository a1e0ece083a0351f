"""The embedded pipeline on encoded segments, without a broker.

`python -m benchmarks.service.embedded CONFIG CATALOGUE FILE`. It does what a worker does with a record (parse, decode,
push, make events as JSON) and none of what Kafka is for.
Prints one JSON object: wall and CPU seconds from the first record on.
"""

from __future__ import annotations

import json
import pickle
import sys
import time
from pathlib import Path

from encoder.model import Encoder
from index.catalogue import Catalogue
from stream_monitor.assembly import assemble
from stream_monitor.cli.logging import quiet_logging
from stream_monitor.clock import SystemClock
from stream_monitor.config import load
from stream_monitor.kafka.payload import to_samples
from stream_monitor.kafka.records import parse
from stream_monitor.pipeline import Pipeline
from stream_monitor.publisher import Publisher
from stream_monitor.segments import Segment
from stream_monitor.sink import FileSink


def main(config_path: str, catalogue_path: str, records_path: str) -> None:
    """Hears every record and says how long it took."""
    quiet_logging()
    config = load(Path(config_path))
    records = pickle.loads(Path(records_path).read_bytes())  # written by this benchmark a moment ago
    encoder = Encoder.load(batch=config.pipeline.batcher.size)
    clock = SystemClock()
    sink = FileSink(Path(records_path).with_suffix(".events"))
    with Catalogue.open(Path(catalogue_path), encoder_fingerprint=encoder.fingerprint) as catalogue:
        assembly = assemble(encoder, catalogue, config)
        len(catalogue.index)
        publisher = Publisher(sink, versions=assembly.versions, clock=clock)
        with Pipeline(encoder, assembly.repertoire, config.pipeline) as pipeline:
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            for key, value, headers in records:
                said = parse(key, value, headers)
                segment = Segment(
                    stream=said.stream,
                    seq=said.seq,
                    start_sample=said.start_sample,
                    samples_S=to_samples(said, value),
                    last=said.last,
                )
                publisher.publish(pipeline.push([segment], now_s=clock.monotonic_s()))
            publisher.publish(pipeline.flush())
            wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    sink.close()
    sys.stdout.write(json.dumps({"wall_s": wall_s, "cpu_s": cpu_s, "events": sink.written}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
