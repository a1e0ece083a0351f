"""PostgreSQL in a folder. It refuses to run as root: root hands it to the user `postgres` of Debian's package."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from tests.stack.server import HOST, Server, ServerError, free_ports, listens

USER = "postgres"
DATABASE = "stream_monitor"


class Postgres:
    """One server with one database; anybody on the loopback may use it."""

    def __init__(self, folder: Path, *, port: int | None = None) -> None:
        programs = _programs()
        folder = folder.resolve()
        self.port = port or free_ports(1)[0]
        self.folder = folder
        self._as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if os.getuid() == 0 else []
        data = folder / "data"
        if not data.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            if self._as_user:
                who = pwd.getpwnam(USER)
                os.chown(folder, who.pw_uid, who.pw_gid)
            self._run([str(programs / "initdb"), "-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"])
        command = [
            *self._as_user,
            str(programs / "postgres"), "-D", str(data), "-p", str(self.port), "-h", HOST, "-k", str(folder),
        ]  # fmt: skip
        self.server = Server(name="postgres", folder=folder, command=command)
        self._createdb = [str(programs / "createdb"), "-h", HOST, "-p", str(self.port), "-U", USER, DATABASE]

    @property
    def url(self) -> str:
        """For SQLAlchemy."""
        return f"postgresql+psycopg://{USER}@{HOST}:{self.port}/{DATABASE}"

    def start(self) -> None:
        """Starts it, waits until it takes connections, and makes the database where it is not there."""
        self.server.start(lambda: listens(self.port) and self._has_database())

    def stop(self) -> None:
        """Ends it; at SIGTERM it would wait until every client has gone."""
        self.server.stop(signal.SIGINT)

    def _has_database(self) -> bool:
        """Whether it is there by now; not while the server still recovers."""
        made = subprocess.run(self._createdb, capture_output=True, text=True, check=False)
        return not made.returncode or "already exists" in made.stderr

    def _run(self, command: list[str]) -> None:
        done = subprocess.run([*self._as_user, *command], capture_output=True, text=True, check=False, cwd=self.folder)
        if done.returncode:
            raise ServerError(f"{command[0]} failed:\n{(done.stdout + done.stderr)[-2000:]}")


def _programs() -> Path:
    """Where the newest installed version keeps its programs, which Debian does not put on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    if on_path is None:
        raise ServerError("PostgreSQL is missing: apt-get install postgresql")
    return Path(on_path).resolve().parent
