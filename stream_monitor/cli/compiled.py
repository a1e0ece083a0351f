"""Where compiled code is kept when neither the package's folder nor the user's cache can be written.

numba refuses to load a cached function that it can keep nowhere, as in a read-only container without a home. It must
be called before numba is loaded. It knows nothing of the commands.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

CACHE_VARIABLE = "NUMBA_CACHE_DIR"


def keep_compiled_code() -> None:
    """Makes a folder of this process's own for compiled code where there is no other place; it is removed at exit.

    Not a folder in a known place: what lies there is executed, and others may write where temporary files are.
    """
    package = Path(__file__).parent.parent
    if os.environ.get(CACHE_VARIABLE) or _writable(package / "__pycache__") or _writable(_user_cache() / "numba"):
        return
    folder = tempfile.mkdtemp(prefix="stream-monitor-compiled-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ[CACHE_VARIABLE] = folder
    log.debug("compiled code is not kept: set NUMBA_CACHE_DIR to a folder that can be written", folder=folder)


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())


def _writable(folder: Path) -> bool:
    """Whether a folder can be written, or could be made."""
    try:
        while not folder.exists():
            folder = folder.parent
    except OSError:  # not even its parent may be looked into
        return False
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)
