"""`python -m tests.stack up|down`: the servers of `make stack`, with their data under one folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.stack.kafka import Kafka
from tests.stack.mosquitto import Mosquitto
from tests.stack.postgres import Postgres
from tests.stack.server import HOST, ServerError

KAFKA_PORT, MQTT_PORT, POSTGRES_PORT = 19092, 11883, 15432


def main() -> int:
    """Reads the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.stack", description=__doc__)
    parser.add_argument("what", choices=["up", "down"])
    parser.add_argument("--folder", type=Path, default=Path(".stack"))
    options = parser.parse_args()
    try:
        kafka = Kafka(options.folder / "kafka", ports=[KAFKA_PORT])
        mosquitto = Mosquitto(options.folder / "mosquitto", port=MQTT_PORT)
        postgres = Postgres(options.folder / "postgres", port=POSTGRES_PORT)
        for server in (kafka, mosquitto, postgres):
            if options.what == "up":
                server.start()
            else:
                server.stop()
    except ServerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if options.what == "up":
        sys.stdout.write(
            f"Kafka {HOST}:{KAFKA_PORT}, Mosquitto {HOST}:{MQTT_PORT}, PostgreSQL {postgres.url}\n"
            f"data and logs: {options.folder}; `make stack-down` ends them\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
