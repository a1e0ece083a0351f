"""A list of stations as a YAML file, for `produce`: thousands of sources that no command line would hold."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stream_monitor.errors import ConfigError, InputError, SourceError
from stream_monitor.sources import Source, sources_at


class Station(BaseModel):
    """One source."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=256)
    source: str = Field(min_length=1)
    """A file, an address or `-`; a path is relative to the list."""
    kind: Literal["broadcast", "upload"] = "broadcast"


class StationList(BaseModel):
    """The file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stations: tuple[Station, ...] = Field(min_length=1)


def read_stations(path: Path) -> list[Source]:
    """The sources of a list, in its order.

    Raises:
        ConfigError: It cannot be read, is no YAML, has a wrong or unknown key, or a source cannot be used.
    """
    try:
        listed = StationList.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: the stations cannot be read: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a YAML file: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        wrong = f"{where}: {first['msg']}" if where else "no list of stations"
        raise ConfigError(f"{path}: {wrong}; as in stations: [{{id: fm-1, source: URL}}]") from error
    return [source for station in listed.stations for source in _sources(station, path)]


def _sources(station: Station, path: Path) -> list[Source]:
    where = station.source
    if "://" not in where and where != "-":
        where = str(path.parent / where)
    try:
        return sources_at(where, stream_id=station.id, kind=station.kind)
    except (SourceError, InputError) as error:
        raise ConfigError(f"{path}: station {station.id!r}: {error}") from error
