"""Mosquitto, an MQTT 5 broker, in a folder."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

from tests.stack.server import HOST, Server, ServerError, free_ports, listens

PLACES = "/usr/sbin:/usr/local/sbin"
"""Debian keeps it where a user's path does not look."""


class Mosquitto:
    """One broker; `extra` lines go into its settings."""

    def __init__(self, folder: Path, *, port: int | None = None, extra: str = "") -> None:
        program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:{PLACES}")
        if program is None:
            raise ServerError("mosquitto is missing: apt-get install mosquitto")
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = port or free_ports(1)[0]
        settings = folder / "mosquitto.conf"
        access = "" if "allow_anonymous" in extra else "allow_anonymous true\n"
        # autosave_interval 1 with autosave_on_changes: what was acknowledged outlives kill -9.
        settings.write_text(
            f"listener {self.port} {HOST}\n{access}persistence true\npersistence_location {folder}/\n"
            f"autosave_interval 1\nautosave_on_changes true\nuser root\n{extra}"
        )
        self.server = Server(name="mosquitto", folder=folder, command=[program, "-c", str(settings)])

    def start(self) -> None:
        """Starts it and waits until it takes connections."""
        self.server.start(lambda: listens(self.port))

    def reload(self) -> None:
        """Has it read its users and access list again."""
        if self.server.pid is not None:
            os.kill(self.server.pid, signal.SIGHUP)

    def stop(self) -> None:
        """Ends it."""
        self.server.stop()
