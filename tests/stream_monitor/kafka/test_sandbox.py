"""Decoding in processes of their own: the same samples, and whatever breaks there costs one segment."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from encoder.grid import SAMPLE_RATE
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.kafka.payload import to_flac
from stream_monitor.kafka.sandbox import Sandbox, SandboxSettings
from stream_monitor.kafka.segment_audio import Announced, samples_of
from stream_monitor.segments import SEGMENT_SAMPLES
from tests.fakes.band import song

SAID = Announced(seq=3, samples=SEGMENT_SAMPLES, container="flac", sample_rate=22_050, channels=1)
VALUE = to_flac(song(1, 5.0)[:SEGMENT_SAMPLES])


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """One process."""
    with Sandbox() as opened:
        yield opened


def children() -> list[int]:
    """Decoder processes that run now."""
    found = []
    for path in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        for pid in map(int, path.read_text().split()):
            if b"decoder_process" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def hours_of_silence() -> bytes:
    """Less than a megabyte of FLAC that holds two hours."""
    sink = io.BytesIO()
    with av.open(sink, "w", format="flac") as container:
        stream: Any = container.add_stream("flac", rate=22_050)
        stream.layout, stream.format = "mono", "s16"
        for second in range(0, 7200, 4):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 4 * 22_050), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 22_050, second * 22_050, Fraction(1, 22_050)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return sink.getvalue()


def test_samples_are_those_of_this_process(sandbox: Sandbox) -> None:
    """To the bit, in the order in which they were asked for, also for other rates, which are resampled there."""
    rate = 44_100
    pcm = (1e4 * np.sin(np.arange(10 * rate) / 20)).astype("<i2").tobytes()
    said = replace(SAID, container="s16le", sample_rate=rate, channels=2)
    asked = [
        sandbox.submit("uploads", SAID, VALUE),
        sandbox.submit("uploads", said, pcm),
        sandbox.submit("uploads", replace(SAID, samples=0), b""),
    ]
    np.testing.assert_array_equal(asked[0].result(), samples_of(SAID, VALUE))
    np.testing.assert_array_equal(asked[1].result(), samples_of(said, pcm))
    assert len(asked[2].result()) == 0


@pytest.mark.parametrize(
    ("value", "container", "code"),
    [
        (b"no audio at all", "flac", "undecodable"),
        (VALUE[:3000], "flac", "undecodable"),
        (VALUE, "mp3", "undecodable"),
        (b"#EXTM3U\n#EXTINF:5,\nfile:///etc/passwd\n", "mp3", "undecodable"),
        (to_flac(np.zeros(10 * SEGMENT_SAMPLES, np.float32)), "flac", "wrong_length"),
    ],
)
def test_what_cannot_be_read_is_poison(sandbox: Sandbox, value: bytes, container: str, code: str) -> None:
    """With the code that decoding here gives; the next segment is heard."""
    with pytest.raises(PoisonError, match="segment 3") as caught:
        sandbox.submit("uploads", replace(SAID, container=container), value).result()
    assert caught.value.code == code
    assert len(sandbox.submit("uploads", SAID, VALUE).result()) == SEGMENT_SAMPLES


def test_a_few_bytes_that_hold_hours_are_left_where_they_are_too_long(sandbox: Sandbox) -> None:
    """Decoding ends once there is more than was announced."""
    value = hours_of_silence()
    assert len(value) < 1 << 20
    with pytest.raises(PoisonError, match=r"more than 5\.15 s") as caught:
        sandbox.submit("uploads", SAID, value).result()
    assert caught.value.code == "wrong_length"


@pytest.mark.parametrize("processes", [1, 2])
def test_slow_segments_of_one_side_do_not_hold_up_those_of_another(processes: int) -> None:
    """Broadcasts that come when many slow uploads wait are heard before most of those."""
    slow = replace(SAID, container="s16le", sample_rate=384_000, samples=30 * SAMPLE_RATE)
    noise = np.random.default_rng(7).integers(-9_000, 9_000, 30 * 384_000, np.int16).tobytes()
    heard: list[str] = []
    with Sandbox(SandboxSettings(processes=processes, cpu_s=60.0)) as sandbox:
        for each in [sandbox.submit("broadcast", SAID, VALUE) for _ in range(4)]:
            each.result()  # the processes run
        asked = []
        for whose, count, said, value in (("uploads", 8, slow, noise), ("broadcast", 20, SAID, VALUE)):
            for _ in range(count):
                asked.append(sandbox.submit(whose, said, value))
                asked[-1].add_done_callback(lambda _, whose=whose: heard.append(whose))
        for each in asked:
            each.result()
    last = len(heard) - 1 - heard[::-1].index("broadcast")
    assert heard[:last].count("uploads") <= 4, heard


def test_what_waits_is_given_up_at_the_end() -> None:
    """Nobody waits for ever."""
    with Sandbox() as sandbox:
        asked = [sandbox.submit("uploads", SAID, VALUE) for _ in range(50)]
    assert all(each.done() for each in asked)
    assert asked[-1].cancelled()


def test_a_process_that_dies_is_replaced_and_its_segment_heard() -> None:
    """Killed from outside between two segments and in the middle of one."""
    with Sandbox() as sandbox:
        sandbox.submit("uploads", SAID, VALUE).result()
        (first,) = children()
        os.kill(first, signal.SIGKILL)
        assert len(sandbox.submit("uploads", SAID, VALUE).result()) == SEGMENT_SAMPLES
        (second,) = children()
        os.kill(second, signal.SIGSTOP)
        asked = sandbox.submit("uploads", SAID, VALUE)
        time.sleep(0.2)
        os.kill(second, signal.SIGKILL)
        assert len(asked.result()) == SEGMENT_SAMPLES
    assert not children()


def test_a_segment_that_kills_its_process_twice_is_given_up() -> None:
    """It costs itself; the next one is heard."""
    with Sandbox() as sandbox:
        sandbox.submit("uploads", SAID, VALUE).result()
        done = threading.Event()

        def kill() -> None:
            while not done.wait(0.01):
                for pid in children():
                    os.kill(pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            with pytest.raises(PoisonError, match="ended its decoder twice") as caught:
                for _ in range(50):
                    sandbox.submit("uploads", SAID, VALUE).result()
        finally:
            done.set()
            killer.join()
        assert caught.value.code == "decoder_crashed"
        assert len(sandbox.submit("uploads", SAID, VALUE).result()) == SEGMENT_SAMPLES


def test_a_segment_that_takes_too_long_is_given_up() -> None:
    """The process that was stopped is killed, and another one hears the next segment."""
    with Sandbox(SandboxSettings(timeout_s=2.0)) as sandbox:
        sandbox.submit("uploads", SAID, VALUE).result()
        (pid,) = children()
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(PoisonError, match="was not decoded within") as caught:
            sandbox.submit("uploads", SAID, VALUE).result()
        assert caught.value.code == "decoder_timeout"
        assert len(sandbox.submit("uploads", SAID, VALUE).result()) == SEGMENT_SAMPLES


def test_a_decoder_has_neither_secrets_nor_files_nor_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is a few harmless names, and its limits forbid what an intruder would want."""
    monkeypatch.setenv("STREAM_MONITOR__KAFKA__PASSWORD_FILE", "secret")
    with Sandbox() as sandbox:
        sandbox.submit("uploads", SAID, VALUE).result()
        (pid,) = children()
        assert b"secret" not in Path(f"/proc/{pid}/environ").read_bytes()
        limits = Path(f"/proc/{pid}/limits").read_text()
    files = next(line for line in limits.splitlines() if line.startswith("Max open files"))
    memory = next(line for line in limits.splitlines() if line.startswith("Max address space"))
    assert files.split()[3:5] == ["0", "0"]
    assert int(memory.split()[3]) < 2 << 30


def test_memory_beyond_the_limit_is_refused() -> None:
    """A process that asks for more than it may gets an error and lives."""
    script = (
        "import stream_monitor.kafka.decoder_process as d; d._warm_up(); d._give_up(32 << 20)\n"
        "try: bytearray(256 << 20)\nexcept MemoryError: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "refused"
