"""A certificate authority for test servers, made by the program `openssl`. It knows nothing of who uses it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.stack.server import HOST, ServerError

NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
DAYS = "2"


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """A certificate and its key, as PEM."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; clients and servers that have its `certificate` believe them."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        """Makes the authority's own certificate.

        Raises:
            ServerError: `openssl` is missing, or fails.
        """
        if shutil.which("openssl") is None:
            raise ServerError("openssl is missing: apt-get install openssl")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.certificate, self._key = folder / f"{name}.pem", folder / f"{name}.key"
        made = ["-keyout", str(self._key), "-out", str(self.certificate), "-days", DAYS, "-subj", f"/CN={name}"]
        _openssl("req", "-x509", *NEW_KEY, *made, "-addext", "keyUsage=critical,keyCertSign")

    def issue(self, name: str, *, names: str = f"IP:{HOST},DNS:localhost", days: str = DAYS) -> Identity:
        """A certificate for a server at this machine's loopback, or for a client that is called `name`.

        Args:
            name: Of files, and its common name.
            names: For which addresses and host names it is good.
            days: How long; -1 is over already.
        """
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        request = self._folder / f"{name}.csr"
        asked = ["-keyout", str(key), "-out", str(request), "-subj", f"/CN={name}"]
        _openssl("req", *NEW_KEY, *asked, "-addext", f"subjectAltName={names}")
        signer = ["-CA", str(self.certificate), "-CAkey", str(self._key), "-CAcreateserial"]
        given = ["-in", str(request), "-out", str(certificate), "-days", days, "-copy_extensions", "copy"]
        _openssl("x509", "-req", *signer, *given)
        return Identity(certificate=certificate, key=key)


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"openssl {arguments[0]} failed:\n{done.stderr[-2000:]}")
