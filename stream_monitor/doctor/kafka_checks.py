"""Brokers, topics, what we may do there, and the brokers' clock."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Final

from stream_monitor.config import Config
from stream_monitor.doctor.finding import Check, Finding, bad, good, warn
from stream_monitor.kafka.client import Admin, Examiner
from stream_monitor.kafka.settings import dead_letters
from stream_monitor.kafka.topics import check as check_topics

OLDEST: Final = (2, 5)
"""From this version on, offsets in a transaction are fenced by the group's generation."""
SKEW_WARN_S, SKEW_BAD_S = 1.0, 30.0
"""Events carry our clock, idleness and append times the brokers'."""


def kafka_checks(config: Config) -> list[Check]:
    """In the order in which they are told."""
    wait_s = 3 * config.kafka.connect_s + 30.0
    return [
        Check(name="brokers", look=lambda: _brokers(config), deadline_s=wait_s),
        Check(name="topics", look=lambda: _topics(config), deadline_s=wait_s, needs=("brokers",)),
        Check(name="permissions", look=lambda: _permissions(config), deadline_s=wait_s, needs=("brokers",)),
        Check(name="transaction", look=lambda: _transaction(config), deadline_s=wait_s, needs=("topics",)),
    ]


def _brokers(config: Config) -> Sequence[Finding]:
    """Each address of the configuration, then each broker where it says that it is."""
    findings = [_address(config, address) for address in config.kafka.bootstrap_servers.split(",")]
    if all(finding.level == "bad" for finding in findings):
        return findings
    with Examiner(config.kafka) as examiner:
        for broker in examiner.brokers():
            name = f"broker {broker.broker_id}"
            if broker.version is None:
                advice = "clients are told this address (advertised.listeners): it must be reachable from here"
                findings.append(bad(name, f"{broker.address} does not answer: {broker.problem}", advice))
                continue
            version = ".".join(map(str, broker.version))
            if broker.version < OLDEST:
                findings.append(bad(name, f"{broker.address} is Kafka {version}", "Kafka 2.5 or newer is needed"))
            else:
                findings.append(good(name, f"{broker.address} answers, Kafka {version}"))
    return findings


def _address(config: Config, address: str) -> Finding:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=config.kafka.connect_s):
            return good("address", f"{address} takes connections")
    except OSError as error:
        advice = "start it, or correct kafka.bootstrap_servers"
        return bad("address", f"{address}: {error.strerror or error}", advice)


def _topics(config: Config) -> Sequence[Finding]:
    with Admin(config.kafka) as admin:
        found = check_topics(admin, config.topics)
    wrong = [
        bad(f"topic {each.topic}", each.message, "`stream-monitor topics check` says the same")
        for each in found
        if not each.good
    ]
    return wrong or [good("topics", f"all {len(found)} as configured")]


def _permissions(config: Config) -> Sequence[Finding]:
    """As far as brokers tell: those without an authorizer allow everything."""
    topics = config.topics
    needed = {name: {"DESCRIBE", "READ"} for name in (topics.broadcast, topics.uploads, topics.catalog)}
    needed[topics.events] = {"DESCRIBE", "WRITE"}
    needed[topics.state] = {"DESCRIBE", "READ", "WRITE"}
    needed |= {dead_letters(name): {"DESCRIBE", "WRITE"} for name in (topics.broadcast, topics.uploads)}
    needed = {name: operations | {"DESCRIBE_CONFIGS"} for name, operations in needed.items()}
    findings = []
    with Examiner(config.kafka) as examiner:
        allowed = examiner.topic_operations(list(needed))
        problem = examiner.group_problem(config.kafka.group_id)
    for name, operations in needed.items():
        absent = sorted(operations - allowed.get(name, frozenset()))
        missing = [each.title().replace("_", "") for each in absent]
        if missing:
            add = " ".join(f"--operation {each}" for each in missing)
            message = f"{', '.join(missing)} of topic {name} is not allowed, or the topic is not there"
            findings.append(
                bad("permissions", message, f"kafka-acls.sh --add --topic {name} {add} --allow-principal …")
            )
    if problem is not None:
        advice = f"kafka-acls.sh --add --group {config.kafka.group_id} --operation Read --allow-principal …"
        findings.append(bad("permissions", f"group {config.kafka.group_id}: {problem}", advice))
    return findings or [good("permissions", f"topics, and group {config.kafka.group_id}: all that a worker needs")]


def _transaction(config: Config) -> Sequence[Finding]:
    """Writes where a worker writes and gives it up: readers of committed records never see it."""
    topics = config.topics
    written = [topics.events, topics.state, dead_letters(topics.broadcast), dead_letters(topics.uploads)]
    with Examiner(config.kafka) as examiner:
        trial = examiner.try_transaction(f"{config.kafka.group_id}-doctor", written)
    if trial.refused is not None:
        advice = "a worker must write there in transactions: see permissions, disks and min.insync.replicas"
        return [bad("transaction", trial.refused, advice)]
    findings = [good("transaction", f"records in {len(written)} topics were taken and given up again")]
    if trial.ahead_s is None or trial.precision_s is None:
        findings.append(warn("clock", "the brokers do not tell their time", "compare it by hand"))
        return findings
    skew_s = max(0.0, abs(trial.ahead_s) - trial.precision_s)
    told = f"the broker's clock is {trial.ahead_s:+.2f} s from ours (± {trial.precision_s:.2f} s)"
    advice = "let NTP set both clocks: times in events and retention would be wrong"
    if skew_s > SKEW_WARN_S:
        findings.append((bad if skew_s > SKEW_BAD_S else warn)("clock", told, advice))
    else:
        findings.append(good("clock", told))
    return findings
