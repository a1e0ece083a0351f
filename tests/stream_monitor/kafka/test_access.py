"""TLS, SASL and access lists of a real broker: what goes through them, and what is said where they let nobody in."""

from __future__ import annotations

import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import ACLOperation, ResourceType

from stream_monitor.cli import main
from stream_monitor.config import load
from stream_monitor.doctor.examination import examine
from stream_monitor.doctor.kafka_checks import kafka_checks
from stream_monitor.kafka.client import Admin, Consumer, LogReader, Partition, TransactionalProducer
from stream_monitor.kafka.errors import AccessError
from stream_monitor.kafka.settings import KafkaSettings
from tests.fakes.band import song
from tests.stack.certificates import Authority, Identity
from tests.stream_monitor.kafka.guarded import PASSWORDS, Guarded, configuration, needs_of_a_worker
from tests.stream_monitor.sound import write_audio

# The client leaves a socket to the garbage where a connection is refused or given up.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.usefixtures("collected"),
]

DEADLINE_S = 120.0
COMMAND = (sys.executable, "-m", "stream_monitor")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A song and a catalogue that has it."""
    folder = tmp_path_factory.mktemp("place")
    write_audio(folder / "tune.wav", song(1, 25.0)[None], 22_050)
    assert main(["catalog", "add", str(folder / "tune.wav"), "--catalog", str(folder / "catalogue")]) == 0
    return folder


def settings(keys: dict[str, Any], **more: Any) -> KafkaSettings:
    """Of a client."""
    return KafkaSettings.model_validate({"connect_s": 20.0, **keys, **more})


def told(*arguments: str) -> tuple[int, str]:
    """Exit code and what a command says, which is neither a trace nor a password, and one error at most."""
    done = subprocess.run(
        [*COMMAND, "--log-level", "debug", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    kept_secret(done.stdout + done.stderr)
    assert "Traceback" not in done.stderr
    assert sum(line.startswith("Error: ") for line in done.stderr.splitlines()) == (done.returncode != 0)
    return done.returncode, done.stderr


def kept_secret(text: str) -> None:
    """No password is in it."""
    for password in (*PASSWORDS.values(), "not-The-password-5519"):
        assert password not in text


def test_audio_goes_in_by_certificate_and_is_heard_by_password(guarded: Guarded, place: Path, tmp_path: Path) -> None:
    """`produce` over TLS with a client's certificate, `run` over TLS with SCRAM, both with no more than they need."""
    mark, write = "heard", [ACLOperation.WRITE]
    administrator = configuration(tmp_path / "administrator.yaml", mark, guarded.as_administrator())
    assert main(["topics", "create", "--config", str(administrator)]) == 0
    guarded.allow("studio", (ResourceType.TOPIC, f"{mark}.uploads", write))
    guarded.allow("worker", *needs_of_a_worker(mark))
    studio = configuration(tmp_path / "studio.yaml", mark, guarded.by_certificate("studio"))
    code, said = told("produce", str(place / "tune.wav"), "--config", str(studio))
    assert (code, "segments, 0.4 minutes of audio sent" in said) == (0, True), said
    worker = configuration(tmp_path / "worker.yaml", mark, guarded.by_password("worker"))
    command = [*COMMAND, "--log-level", "debug", "run", "--config", str(worker), "--catalog", str(place / "catalogue")]
    said_by_doctor = {each.subject: each for each in examine(kafka_checks(load(worker, environ={})))}
    assert {each.level for each in said_by_doctor.values()} == {"good"}, said_by_doctor
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
        try:
            deadline, events = time.monotonic() + DEADLINE_S, 0
            while not events:
                assert process.poll() is None, (tmp_path / "log").read_text()[-3000:]
                assert time.monotonic() < deadline, "nothing was heard"
                time.sleep(0.5)
                with LogReader(settings(guarded.as_administrator())) as reader:
                    events = sum(1 for n in (0, 1) for _ in reader.read(Partition(topic=f"{mark}.events", number=n)))
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE_S) == 0
        finally:
            process.kill()
            process.wait()
    kept_secret((tmp_path / "log").read_text(encoding="utf-8"))
    plain = {"security": "sasl_plaintext", "sasl_mechanism": "PLAIN", "ca_file": None}
    by_plain = guarded.by_password("worker", bootstrap_servers=guarded.kafka.secured["SASL_PLAINTEXT"], **plain)
    assert told("topics", "check", "--config", str(configuration(tmp_path / "plain.yaml", mark, by_plain)))[0] == 0


def wrong(guarded: Guarded, what: str, folder: Path) -> dict[str, Any]:
    """Keys of somebody who is not let in."""
    secured = guarded.kafka.secured
    stranger = guarded.password_file("stranger", "not-The-password-5519")
    if what == "wrong password":
        return guarded.by_password("worker", password_file=stranger)
    if what == "wrong password, PLAIN":
        plain = {"security": "sasl_plaintext", "sasl_mechanism": "PLAIN", "ca_file": None}
        address = secured["SASL_PLAINTEXT"]
        return guarded.by_password("worker", password_file=stranger, bootstrap_servers=address, **plain)
    if what == "unknown mechanism":
        return guarded.by_password("worker", sasl_mechanism="SCRAM-SHA-256")
    if what == "unknown authority":
        other = Authority(folder / "other", "other")
        return guarded.by_password("worker", ca_file=str(other.certificate))
    if what == "no certificate":
        return guarded.by_certificate("studio", certificate_file=None, key_file=None)
    if what == "certificate of another authority":
        own = Authority(folder / "other", "other").issue("studio")
        return guarded.by_certificate("studio", certificate_file=str(own.certificate), key_file=str(own.key))
    address = f"localhost:{guarded.kafka.ports[0]}"
    return guarded.by_password("worker", bootstrap_servers=address, connect_s=3.0)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("wrong password", ["user 'worker' by SCRAM-SHA-512", "kafka.password_file"]),
        ("wrong password, PLAIN", ["user 'worker' by PLAIN", "kafka.password_file"]),
        ("unknown mechanism", ["by SCRAM-SHA-256", "kafka.sasl_mechanism"]),
        ("unknown authority", ["is not trusted", "kafka.ca_file has to hold"]),
        ("no certificate", ["does not agree on TLS", "kafka.certificate_file and kafka.key_file"]),
        ("certificate of another authority", ["does not agree on TLS", "kafka.certificate_file and kafka.key_file"]),
    ],
)
def test_who_is_not_let_in_is_told_why(guarded: Guarded, tmp_path: Path, what: str, words: list[str]) -> None:
    """Exit code 2, at once, one line that names the keys; no password in it."""
    config = configuration(tmp_path / "wrong.yaml", "nobody", wrong(guarded, what, tmp_path))
    code, said = told("topics", "check", "--config", str(config))
    assert code == 2, said
    for each in words:
        assert each in said


@contextmanager
def showing(own: Identity) -> Iterator[str]:
    """A listener that shows this certificate and says no more; its address."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own.certificate, own.key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with suppress(OSError), context.wrap_socket(connection, server_side=True):
                    pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        host, port = listener.getsockname()
        yield f"{host}:{port}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(60)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"names": "DNS:kafka.example.org"}, ["IP address mismatch", "advertised.listeners"]),
        ({"days": "-1"}, ["certificate has expired", "the brokers have to get a new one", "clock"]),
    ],
)
def test_a_certificate_for_another_name_or_time_is_refused(
    guarded: Guarded, tmp_path: Path, changes: dict[str, Any], words: list[str]
) -> None:
    """Exit code 2: what is wrong with it and where that is mended."""
    with showing(guarded.authority.issue("other", **changes)) as address:
        keys = guarded.by_password("worker", bootstrap_servers=address, connect_s=3.0)
        code, said = told("topics", "check", "--config", str(configuration(tmp_path / "other.yaml", "nobody", keys)))
    assert code == 2, said
    for each in words:
        assert each in said


def test_a_listener_that_speaks_otherwise_is_told(guarded: Guarded, tmp_path: Path) -> None:
    """TLS to the plain listener: it might be a broker that goes down, so it is tried for a while; exit code 1."""
    config = configuration(tmp_path / "wrong.yaml", "nobody", wrong(guarded, "plain listener", tmp_path))
    code, said = told("topics", "check", "--config", str(config))
    assert (code, "does it speak sasl_ssl (kafka.security)?" in said) == (1, True), said


def test_what_no_access_list_allows_is_told_with_the_command(
    guarded: Guarded, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker gets right after right: each time exit code 2 and what is missing, until nothing is."""
    mark, operations = "missing", ACLOperation
    administrator = configuration(tmp_path / "administrator.yaml", mark, guarded.as_administrator())
    assert main(["topics", "create", "--config", str(administrator)]) == 0
    assert main(["produce", str(place / "tune.wav"), "--config", str(administrator)]) == 0
    config = configuration(tmp_path / "guest.yaml", mark, guarded.by_password("guest"))
    run = ["run", "--config", str(config), "--catalog", str(place / "catalogue")]
    steps: list[tuple[str, Any]] = [
        (f"Describe of topic {mark}.broadcast", (ResourceType.TOPIC, f"{mark}.", [operations.DESCRIBE])),
        (f"DescribeConfigs of topic {mark}.broadcast", (ResourceType.TOPIC, mark, [operations.DESCRIBE_CONFIGS])),
        (f"Write of transactional-id {mark}-one", (ResourceType.TRANSACTIONAL_ID, mark, [operations.WRITE])),
        (f"Read of group {mark}", (ResourceType.GROUP, mark, [operations.READ])),
        ("Read of topic", (ResourceType.TOPIC, mark, [operations.READ])),
    ]
    for words, rule in steps:
        capsys.readouterr()
        assert main(run) == 2
        assert f"User:guest is not allowed {words}" in capsys.readouterr().err
        guarded.allow("guest", rule)
    capsys.readouterr()
    assert main(run) == 2
    # The first transaction may hold a snapshot alone.
    assert re.search(rf"User:guest is not allowed Write of topic {mark}\.(events|state)", capsys.readouterr().err)
    assert main(["produce", str(place / "tune.wav"), "--config", str(config)]) == 2
    said = capsys.readouterr().err
    assert f"Write of topic {mark}.uploads" in said
    assert f"--allow-principal User:guest --topic {mark}.uploads --operation Write" in said


def test_a_record_for_a_topic_that_may_not_be_seen_keeps_the_transaction_open(guarded: Guarded) -> None:
    """The client would commit without it: an event would be lost and its offsets kept."""
    mark = "hidden"
    with Admin(settings(guarded.as_administrator())) as admin:
        for name in ("seen", "unseen", "described"):
            admin.create(f"{mark}.{name}", 1, 1, {})
    guarded.allow(
        "guest",
        (ResourceType.TOPIC, f"{mark}.seen", [ACLOperation.WRITE]),
        (ResourceType.TOPIC, f"{mark}.described", [ACLOperation.DESCRIBE]),
        (ResourceType.TRANSACTIONAL_ID, mark, [ACLOperation.WRITE]),
    )
    for name in ("unseen", "described"):
        with TransactionalProducer(settings(guarded.by_password("guest")), f"{mark}-1") as producer:
            producer.begin()
            producer.send(f"{mark}.seen", b"k", b"v")
            with pytest.raises(AccessError, match=f"Write of topic {mark}.{name}"):
                producer.send(f"{mark}.{name}", b"k", b"v")
                producer.commit()
    with LogReader(settings(guarded.as_administrator())) as reader:
        assert not list(reader.read(Partition(topic=f"{mark}.seen", number=0)))


@pytest.mark.parametrize("command", ["store", "relay"])
def test_readers_of_events_say_which_group_they_need(guarded: Guarded, tmp_path: Path, command: str) -> None:
    """Exit code 2 and no endless tries."""
    mark = f"reads-{command}"
    administrator = configuration(tmp_path / "administrator.yaml", mark, guarded.as_administrator())
    assert main(["topics", "create", "--config", str(administrator)]) == 0
    described = [ACLOperation.READ, ACLOperation.DESCRIBE_CONFIGS]
    config = configuration(tmp_path / "guest.yaml", mark, guarded.by_password("guest"))
    advice = [each.advice for each in examine(kafka_checks(load(config, environ={}))) if each.subject == "permissions"]
    assert f"kafka-acls.sh --add --group {mark} --operation Read --allow-principal …" in advice
    assert any(f"--topic {mark}.events --operation Describe --operation DescribeConfigs" in each for each in advice)
    guarded.allow("guest", (ResourceType.TOPIC, f"{mark}.", described))
    store = {"url": f"sqlite:///{tmp_path / 'plays.db'}"}
    config = configuration(tmp_path / "guest.yaml", mark, guarded.by_password("guest"), store=store)
    code, said = told(command, "--config", str(config))
    assert code == 2, said
    assert f"Read of group {mark}-{command}" in said


def test_a_group_that_may_not_be_read_ends_the_reading(guarded: Guarded) -> None:
    """The error names the group, also where the topic may be read."""
    with Admin(settings(guarded.as_administrator())) as admin:
        admin.create("open.topic", 1, 1, {})
    guarded.allow("guest", (ResourceType.TOPIC, "open.topic", [ACLOperation.READ]))
    mine = settings(guarded.by_password("guest"), group_id="closed")
    with Consumer(mine, ["open.topic"]) as consumer, pytest.raises(AccessError, match="Read of group closed"):
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            consumer.poll(0.5)
