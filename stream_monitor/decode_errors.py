"""What FFmpeg or the system raised, as an error of the monitor's tree that says what to do.

It knows nothing of decoding. FFmpeg's classes are told apart by their names and by the built-in classes that they
derive from, so that this module works without PyAV.
"""

from __future__ import annotations

from stream_monitor.errors import (
    CannotOpenError,
    DamagedError,
    EmptyInputError,
    InputError,
    LostSourceError,
    NotAudioError,
    StoppedError,
)

_REFUSALS = {
    "HTTPBadRequestError": "the server calls the request bad (400)",
    "HTTPUnauthorizedError": "the server asks for a password (401)",
    "HTTPForbiddenError": "the server forbids it (403)",
    "HTTPNotFoundError": "not found (404)",
    "HTTPOtherClientError": "the server refuses the request (4xx)",
}


def error_of(error: Exception, name: str, *, is_url: bool, stopped: bool) -> InputError | StoppedError:
    """The monitor's error for `error`.

    Args:
        error: What PyAV or the system raised.
        name: The input's path or address.
        is_url: Whether it is an address, where most failures pass.
        stopped: Whether a stop was asked for, which makes FFmpeg give up.
    """
    if stopped:
        return StoppedError(f"{name}: stopped while reading")
    if isinstance(error, InputError | StoppedError):
        return error
    kind = type(error).__name__
    reason = getattr(error, "strerror", None) or str(error) or kind
    if kind in _REFUSALS:
        return CannotOpenError(f"{name}: {_REFUSALS[kind]}")
    if kind == "ExitError":
        return LostSourceError(f"{name}: no data came before the time-out")
    if kind == "ProtocolNotFoundError":
        return CannotOpenError(f"{name}: addresses of this kind cannot be read")
    if kind == "DecoderNotFoundError":
        return NotAudioError(f"{name}: no decoder for its audio codec")
    if isinstance(error, EOFError):
        if is_url:
            return LostSourceError(f"{name}: the server closed before any audio")
        return EmptyInputError(f"{name}: ends before any audio")
    if kind == "InvalidDataError":
        return NotAudioError(f"{name}: is no audio in a known format, or is cut off before its header ends")
    if isinstance(error, FileNotFoundError):
        return CannotOpenError(f"{name}: no such file")
    if isinstance(error, PermissionError):
        return CannotOpenError(f"{name}: cannot be read (permission denied)")
    if isinstance(error, IsADirectoryError):
        return CannotOpenError(f"{name}: is a folder, not a file")
    if is_url:
        return LostSourceError(f"{name}: the connection failed: {reason}")
    if isinstance(error, OSError):
        return CannotOpenError(f"{name}: cannot be read: {reason}")
    return DamagedError(f"{name}: reading failed: {reason}")
