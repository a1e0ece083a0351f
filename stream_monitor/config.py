"""The one configuration tree: every component's settings under its name, from a YAML file and the environment.

It gathers; what a key means stands beside the component that uses it. Unknown keys are errors. Only the command line
calls `load`. It knows nothing of what the settings do.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stream_monitor.config_template import group
from stream_monitor.errors import ConfigError
from stream_monitor.kafka.catalogue.settings import CatalogueSettings
from stream_monitor.kafka.produce_settings import ProduceSettings
from stream_monitor.kafka.settings import KafkaSettings, ServiceSettings, TopicSettings
from stream_monitor.monitor import MonitorConfig
from stream_monitor.mqtt.settings import MqttSettings
from stream_monitor.pipeline import PipelineConfig
from stream_monitor.reconnect import ReconnectPolicy
from stream_monitor.relay.settings import RelaySettings
from stream_monitor.repertoire import RepertoireConfig
from stream_monitor.store.settings import StoreSettings
from stream_monitor.telemetry.settings import TelemetrySettings
from stream_monitor.verdict_policy import VerdictSettings
from stream_monitor.webhooks.settings import Webhooks

ENVIRONMENT_PREFIX = "STREAM_MONITOR__"

Tree = dict[str, Any]


class EncoderSettings(BaseModel):
    """Which encoder runs, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: Path | None = None
    """Folder of weights; null takes those that ship with the package."""
    device: str = "cpu"
    """`cpu`, or a CUDA device such as `cuda:0`."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of the network: bf16 is faster on machines that have it, embeddings differ by about 1e-3."""
    threads: int = Field(default=1, ge=1, le=256)
    """Threads of the encoder's arithmetic (`OMP_NUM_THREADS` wins). One leaves the other cores to decoding; more
    threads cost two to three times the processor time on a busy machine."""


class Config(BaseModel):
    """All settings of the monitor."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    catalog: Path | None = None
    """Folder of the catalogue; `--catalog` wins."""
    deterministic: bool = False
    """Fixed, padded batches and exact search: equal audio gives equal events, at a price in speed."""
    index: Literal["hnsw", "exact"] = "hnsw"
    """First stage of the search; `exact` scans everything and is what `deterministic` uses."""
    processes: int | None = Field(default=None, ge=1, le=256)
    """Processes that `watch` shares the sources out to; each has the index and the encoder for itself. null is one for
    each core that has four sources, and one on a GPU. Standard input is always watched by one."""
    encoder: EncoderSettings = EncoderSettings()
    pipeline: PipelineConfig = PipelineConfig()
    plays: RepertoireConfig = RepertoireConfig()
    monitor: MonitorConfig = MonitorConfig()
    reconnect: ReconnectPolicy = ReconnectPolicy()
    kafka: KafkaSettings = KafkaSettings()
    topics: TopicSettings = TopicSettings()
    produce: ProduceSettings = ProduceSettings()
    catalogue: CatalogueSettings = CatalogueSettings()
    service: ServiceSettings = ServiceSettings()
    verdicts: VerdictSettings = VerdictSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    store: StoreSettings = StoreSettings()
    relay: RelaySettings = RelaySettings()
    mqtt: MqttSettings = MqttSettings()
    webhooks: Webhooks = ()
    """Addresses that events are posted to, each a group of keys; docs/alerts.md shows them."""

    @property
    def version(self) -> str:
        """Names what can change an event: a hash of everything but paths, threads, sizes of queues and time-outs."""
        decisive = self.model_dump_json(
            include={"deterministic", "index", "pipeline", "plays", "verdicts"}, exclude={"pipeline": {"workers"}}
        )
        return hashlib.sha256(decisive.encode()).hexdigest()[:12]


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration of a file, overruled key by key by the environment.

    Args:
        path: YAML file; None takes the defaults.
        environ: Variables; `STREAM_MONITOR__A__B=value` sets key a.b, the value is read as YAML. None takes the
            process's own.

    Raises:
        ConfigError: The file cannot be read, a key is unknown or a value is not allowed.
    """
    tree = {} if path is None else _read(path)
    origin = {} if path is None else dict.fromkeys(_leaves(tree), str(path))
    for name, value in sorted((os.environ if environ is None else environ).items()):
        if name.upper().startswith(ENVIRONMENT_PREFIX):
            keys = tuple(key.lower() for key in name[len(ENVIRONMENT_PREFIX) :].split("__"))
            _set(tree, keys, _value(name, value), name)
            origin[keys] = name
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(_message(error, origin, path)) from error


def _read(path: Path) -> Tree:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: the configuration cannot be read: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a YAML file: {' '.join(str(error).split())}") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: keys and values are expected at the top, not a {type(tree).__name__}")
    return tree


def _value(name: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: {text!r} is not a YAML value") from error


def _set(tree: Tree, keys: tuple[str, ...], value: Any, name: str) -> None:
    for depth, key in enumerate(keys[:-1]):
        below = tree.setdefault(key, {})
        if not isinstance(below, dict):
            raise ConfigError(f"{name}: {'.'.join(keys[: depth + 1])} is a value, not a group of keys")
        tree = below
    tree[keys[-1]] = value


def _leaves(tree: Tree, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for key, value in tree.items():
        place = (*above, str(key))
        found += _leaves(value, place) if isinstance(value, dict) and value else [place]
    return found


def _message(error: ValidationError, origin: Mapping[tuple[str, ...], str], path: Path | None) -> str:
    """The first thing that is wrong, where it came from and what was meant."""
    first = error.errors()[0]
    place = tuple(str(part) for part in first["loc"])
    source = next((origin[place[:n]] for n in range(len(place), 0, -1) if place[:n] in origin), None)
    # A missing or misplaced group is told by any key below it.
    source = source or next((name for keys, name in origin.items() if keys[: len(place)] == place), None)
    source = source or (str(path) if path else "configuration")
    key = ".".join(place)
    if first["type"] != "extra_forbidden":
        return f"{source}: {key}{_shown(place, first['input'])}: {first['msg']}"
    near = difflib.get_close_matches(place[-1], _keys_at(place[:-1]), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "; `stream-monitor config schema` prints every key"
    return f"{source}: unknown key {key!r}{hint}"


def _shown(place: tuple[str, ...], value: object) -> str:
    """The value that is wrong, but nothing that may be a secret: headers, and who an address lets in."""
    if "headers" in place:
        return ""
    return " = " + re.sub(r"://[^@/\s]+@", "://…@", repr(value))


def _keys_at(place: tuple[str, ...]) -> list[str]:
    """The keys that a group of the tree has."""
    model: type[BaseModel] = Config
    for part in place:
        below = group(model, part) if part in model.model_fields else None
        if below is None:
            return []
        model = below
    return list(model.model_fields)
