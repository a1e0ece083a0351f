"""A binding of libfluidsynth: loads a soundfont, takes MIDI-like events, gives float samples.

The library is opened at the first use, not at import; one `Synth` is one synthesiser, used from one thread. Knows
nothing of songs or arrangements.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from functools import lru_cache
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from encoder.errors import TrainingDataError

SOUNDFONT_FOLDERS = (
    Path("/usr/share/sounds/sf2"),
    Path("/usr/share/sounds/sf3"),
    Path("/usr/share/soundfonts"),
    Path("/opt/homebrew/share/soundfonts"),
)
SOUNDFONTS = ("FluidR3_GM.sf2", "TimGM6mb.sf2", "default-GM.sf2")
PACKAGES = {"MuseScore_General_Lite.sf3": "musescore-general-soundfont-small"}
"""Debian's package of a soundfont that is none of these."""
LOG_LEVELS = 5
LINEAR = 1


def find_soundfont(name: str | None = None) -> Path:
    """Path of an installed General MIDI soundfont.

    Args:
        name: File name or path; None takes the first of `SOUNDFONTS` that is installed.

    Raises:
        TrainingDataError: If there is none; the message names the package to install.
    """
    if name is not None and Path(name).is_file():
        return Path(name)
    for wanted in (name,) if name is not None else SOUNDFONTS:
        for folder in SOUNDFONT_FOLDERS:
            if (folder / wanted).is_file():
                return folder / wanted
    what = name or "General MIDI soundfont"
    package = PACKAGES.get(name or "", "fluid-soundfont-gm timgm6mb-soundfont")
    raise TrainingDataError(f"no {what} found: apt-get install {package}")


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """The shared library.

    Raises:
        TrainingDataError: If it is not installed.
    """
    for name in (ctypes.util.find_library("fluidsynth"), "libfluidsynth.so.3", "libfluidsynth.so.2"):
        if name is None:
            continue
        try:
            lib = ctypes.CDLL(name)
        except OSError:
            continue
        _declare(lib)
        for level in range(LOG_LEVELS):
            lib.fluid_set_log_function(level, None, None)
        return lib
    raise TrainingDataError("libfluidsynth is not installed: apt-get install fluidsynth (or libfluidsynth3)")


class Synth:
    """One synthesiser with one soundfont; a context manager.

    Args:
        soundfont: Path of the soundfont.
        rate: Sample rate in Hz, 8,000 to 96,000.
        room: Reverb level, 0 (off) to 1.
        chorus: Whether the chorus is on.
        polyphony: Voices at once; more cost time.
    """

    def __init__(
        self, soundfont: Path, *, rate: int, room: float = 0.0, chorus: bool = False, polyphony: int = 96
    ) -> None:
        lib = library()
        self._lib = lib
        self._settings = lib.new_fluid_settings()
        lib.fluid_settings_setnum(self._settings, b"synth.sample-rate", float(rate))
        lib.fluid_settings_setnum(self._settings, b"synth.gain", 0.4)
        lib.fluid_settings_setint(self._settings, b"synth.chorus.active", int(chorus))
        lib.fluid_settings_setint(self._settings, b"synth.reverb.active", int(room > 0))
        lib.fluid_settings_setnum(self._settings, b"synth.reverb.level", min(max(room, 0.0), 1.0))
        lib.fluid_settings_setnum(self._settings, b"synth.reverb.room-size", 0.3 + 0.5 * min(max(room, 0.0), 1.0))
        lib.fluid_settings_setint(self._settings, b"synth.polyphony", polyphony)
        # Only the instruments in use are read from the file, so that a synthesiser costs milliseconds.
        lib.fluid_settings_setint(self._settings, b"synth.dynamic-sample-loading", 1)
        lib.fluid_settings_setint(self._settings, b"synth.lock-memory", 0)
        self._synth = lib.new_fluid_synth(self._settings)
        if lib.fluid_synth_sfload(self._synth, str(soundfont).encode(), 1) < 0:
            self.close()
            raise TrainingDataError(f"{soundfont} cannot be read as a soundfont")
        lib.fluid_synth_set_interp_method(self._synth, -1, LINEAR)

    def __enter__(self) -> Synth:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Frees the synthesiser; a second call does nothing."""
        if self._synth:
            self._lib.delete_fluid_synth(self._synth)
            self._lib.delete_fluid_settings(self._settings)
            self._synth = None

    def set_channel(self, channel: int, *, program: int, volume: int, pan: int) -> None:
        """Instrument, volume and place of a channel; channel 9 is percussion."""
        self._lib.fluid_synth_program_change(self._synth, channel, program)
        self._lib.fluid_synth_cc(self._synth, channel, 7, volume)
        self._lib.fluid_synth_cc(self._synth, channel, 10, pan)

    def tune(self, channel: int, cents: float) -> None:
        """Moves a channel's pitch by -200 to 200 cents, by its pitch wheel."""
        self._lib.fluid_synth_pitch_bend(self._synth, channel, round(8192 * (1 + cents / 200)))

    def note_on(self, channel: int, pitch: int, velocity: int) -> None:
        """Starts a note."""
        self._lib.fluid_synth_noteon(self._synth, channel, pitch, velocity)

    def note_off(self, channel: int, pitch: int) -> None:
        """Ends a note."""
        self._lib.fluid_synth_noteoff(self._synth, channel, pitch)

    def write(self, out_2S: NDArray[np.float32]) -> None:
        """Fills `out_2S` (left and right, C-contiguous rows) with the next samples."""
        left, right = (out_2S[side].ctypes.data_as(ctypes.c_void_p) for side in range(2))
        self._lib.fluid_synth_write_float(self._synth, out_2S.shape[1], left, 0, 1, right, 0, 1)


def _declare(lib: ctypes.CDLL) -> None:
    pointer, text, number, real = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_double
    for name, result, arguments in (
        ("new_fluid_settings", pointer, []),
        ("fluid_settings_setnum", number, [pointer, text, real]),
        ("fluid_settings_setint", number, [pointer, text, number]),
        ("new_fluid_synth", pointer, [pointer]),
        ("delete_fluid_synth", None, [pointer]),
        ("delete_fluid_settings", None, [pointer]),
        ("fluid_synth_sfload", number, [pointer, text, number]),
        ("fluid_synth_set_interp_method", number, [pointer, number, number]),
        ("fluid_synth_program_change", number, [pointer, number, number]),
        ("fluid_synth_pitch_bend", number, [pointer, number, number]),
        ("fluid_synth_cc", number, [pointer, number, number, number]),
        ("fluid_synth_noteon", number, [pointer, number, number, number]),
        ("fluid_synth_noteoff", number, [pointer, number, number]),
        ("fluid_synth_write_float", number, [pointer, number, pointer, number, number, pointer, number, number]),
        ("fluid_set_log_function", pointer, [number, pointer, pointer]),
    ):
        function = getattr(lib, name)
        function.restype = result
        function.argtypes = arguments
