"""The monitor's error tree: what can go wrong with inputs, settings and live sources, each as one clear line.

It knows nothing of how errors are shown: the command line prints `str(error)` and ends with `error.exit_code`.

    MonitorError                     exit 1
    ├── SettingsError                exit 2: the caller must change something before any work is done
    │   ├── SourceError              a SOURCE on the command line that cannot be used
    │   ├── DuplicateIdError         two inputs with one ID
    │   ├── ConfigError              the configuration: unreadable, an unknown key, a bad value
    │   ├── CalibrationError         the weights' confidence parameters are of another version
    │   └── MetadataError            the metadata CSV: unreadable, a missing column, a broken row, two equal ids
    ├── InputError                   exit 1: one input failed, the others go on
    │   ├── CannotOpenError          missing, unreadable, refused
    │   ├── EmptyInputError          no byte, or no sample
    │   ├── NotAudioError            bytes that are no known audio format, or a file without an audio stream
    │   ├── TruncatedError           ends before its own header says; what there was has been decoded
    │   ├── DamagedError             undecodable in the middle
    │   ├── TooShortError            under 6 s: nothing can be said about it
    │   ├── SilentInputError         nothing but silence: nothing can be enrolled or looked for
    │   └── LostSourceError          retriable: a live source stalled or dropped
    ├── EventError                   exit 1: a play that cannot be told as an event (a number that is not finite)
    ├── SinkError                    events cannot be written: a full disk, a reader that has gone
    ├── BackpressureError            retriable: the pipeline took nothing for so long that a source gave up
    └── StoppedError                 a stop was asked for while reading
"""

from __future__ import annotations

from typing import ClassVar


class MonitorError(Exception):
    """Root of the tree: whatever the monitor itself raises on purpose."""

    retriable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1


class SettingsError(MonitorError):
    """A setting, an option or a combination of them that cannot work."""

    exit_code: ClassVar[int] = 2


class SourceError(SettingsError):
    """A SOURCE on the command line that cannot be used."""


class DuplicateIdError(SettingsError):
    """Two inputs with one ID."""


class MetadataError(SettingsError):
    """The metadata CSV is unreadable, lacks a column, or names one track twice."""


class CalibrationError(SettingsError):
    """The weights' confidence parameters are of another version."""


class InputError(MonitorError):
    """One input failed; the others go on."""


class CannotOpenError(InputError):
    """The input is missing, unreadable or was refused."""


class EmptyInputError(InputError):
    """The input holds no byte, or no sample."""


class NotAudioError(InputError):
    """The bytes are no known audio format, or the file has no audio stream."""


class TruncatedError(InputError):
    """The input ends before its own header says; what there was has been decoded."""


class DamagedError(InputError):
    """The input cannot be decoded at some place in its middle."""


class TooShortError(InputError):
    """The input is shorter than the 6 s from which an embedding can be made."""


class SilentInputError(InputError):
    """The input holds only silence, which has no embedding."""


class LostSourceError(InputError):
    """A live source stalled or dropped its connection; asking again may help."""

    retriable: ClassVar[bool] = True


class EventError(MonitorError):
    """A play that cannot be told as an event."""


class StoppedError(MonitorError):
    """A stop was asked for while an input was being read."""

    exit_code: ClassVar[int] = 130


class ConfigError(SettingsError):
    """The configuration is unreadable, has an unknown key, or a value that is not allowed."""


class SinkError(MonitorError):
    """Events cannot be written where they should go."""


class BackpressureError(MonitorError):
    """The pipeline took no audio for longer than a source may wait."""

    retriable: ClassVar[bool] = True
