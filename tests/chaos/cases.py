"""All cases, and on which brokers each is run."""

from __future__ import annotations

from tests.chaos.alert_cases import alerts_and_store
from tests.chaos.broker_cases import bad_link, broker_disk_full, broker_killed, node_of_three_killed
from tests.chaos.case import Case
from tests.chaos.machine_cases import asleep, clock_off, slow_encoder, worker_disk_full
from tests.chaos.record_cases import catalogue_changes, log_begins_later, poison
from tests.chaos.worker_cases import labelled_kills, random_kills, rebalance_storm, three_workers, zombie

CASES: dict[str, tuple[Case, str]] = {
    "labelled kills": (labelled_kills, "one"),
    "random kills": (random_kills, "one"),
    "zombie": (zombie, "one"),
    "asleep": (asleep, "one"),
    "three workers": (three_workers, "one"),
    "rebalance storm": (rebalance_storm, "one"),
    "slow encoder": (slow_encoder, "one"),
    "clock off by an hour": (clock_off, "one"),
    "worker's disk full": (worker_disk_full, "one"),
    "broker killed": (broker_killed, "own"),
    "one of three brokers killed": (node_of_three_killed, "three"),
    "broker's disk full": (broker_disk_full, "small disk"),
    "links reset": (bad_link("reset"), "proxy"),
    "2 s latency": (bad_link("latency", 20.0), "proxy"),
    "black hole": (bad_link("black hole"), "proxy"),
    "half-open links": (bad_link("half open"), "proxy"),
    "poison": (poison, "one"),
    "log begins later": (log_begins_later, "one"),
    "catalogue changes": (catalogue_changes, "one"),
    "alerts and store": (alerts_and_store, "one"),
}
"""What is done, and on which cluster: the shared one, one of its own, of three, on a small disk, behind a proxy."""
