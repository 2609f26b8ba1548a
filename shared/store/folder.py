"""The store's primitive on a POSIX folder: get, list, exclusive create, put below a fresh prefix.

Thread-safe: it holds no state but its root. Blocking: call it off the event loop. Keys are relative POSIX paths.
Both kinds of write are durable when they return: file and folder are fsynced.
"""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from urllib.parse import unquote, urlparse

from shared.errors import StoreError

_TEMPORARY = ".tmp-"


class KeyMissingError(StoreError):
    """Nothing is stored under the key."""


class FolderStore:
    """A store in a folder. Readers need no write permission; only writes create folders."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, key: str) -> Path:
        """The file or folder behind `key`.

        Raises:
            StoreError: if the key would leave the store.
        """
        parts = key.split("/")
        if any(part in ("", ".", "..") or part.startswith(_TEMPORARY) for part in parts):
            raise StoreError(f"not a store key: {key!r}")
        return self.root.joinpath(*parts)

    def get(self, key: str) -> bytes:
        """The stored bytes.

        Raises:
            KeyMissingError: if there is nothing.
            StoreError: if it cannot be read.
        """
        try:
            return self.path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise KeyMissingError(f"nothing is stored under {key}") from None
        except OSError as error:
            raise StoreError(f"cannot read {key}: {error.strerror}") from error

    def exists(self, key: str) -> bool:
        return self.path(key).exists()

    def list(self, prefix: str) -> list[str]:
        """Names directly below `prefix`, sorted; empty where there is nothing."""
        try:
            names = os.listdir(self.path(prefix))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise StoreError(f"cannot list {prefix}: {error.strerror}") from error
        return sorted(name for name in names if not name.startswith(_TEMPORARY))

    def create(self, key: str, body: bytes) -> bool:
        """Create `key` exclusively; False if it is there already. Whole or not at all, also after a crash.

        A temporary file beside the target is written, fsynced and `link()`ed to its name. O_EXCL on the final name
        would leave an empty record for ever if the machine went down between open and write.
        """
        target = self.path(key)
        try:
            temporary = self._write_temporary(target, body)
            try:
                os.link(temporary, target)
            except FileExistsError:
                return False
            finally:
                temporary.unlink()
            _fsync_folder(target.parent)
        except OSError as error:
            raise StoreError(f"cannot create {key}: {error.strerror}") from error
        return True

    def put(self, key: str, body: bytes) -> None:
        """Write a file below a prefix that nobody looks at before its manifest is there."""
        target = self.path(key)
        try:
            os.replace(self._write_temporary(target, body), target)
            _fsync_folder(target.parent)
        except OSError as error:
            raise StoreError(f"cannot write {key}: {error.strerror}") from error

    def remove(self, prefix: str) -> None:
        """Delete everything below `prefix`, if there is anything; manifests first, so what is half gone is incomplete.

        Raises:
            StoreError: if something cannot be deleted.
        """
        folder = self.path(prefix)
        try:
            for manifest in folder.glob("**/manifest.json"):
                manifest.unlink(missing_ok=True)
            shutil.rmtree(folder)
        except FileNotFoundError:  # nothing there, or somebody else is deleting it too
            if folder.exists():
                self.remove(prefix)
        except OSError as error:
            raise StoreError(f"cannot remove {prefix}: {error.strerror}") from error

    def _write_temporary(self, target: Path, body: bytes) -> Path:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.parent / f"{_TEMPORARY}{secrets.token_hex(8)}"
        with open(temporary, "xb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        return temporary


def open_store(url: str) -> FolderStore:
    """The store behind STORE_URL: a folder, or a file:// URL.

    Raises:
        StoreError: for a scheme that is not supported.
    """
    parsed = urlparse(url)
    if parsed.scheme == "file":
        return FolderStore(Path(unquote(parsed.path)))
    if parsed.scheme:
        raise StoreError(f"STORE_URL {url!r}: only a folder or a file:// URL is supported")
    return FolderStore(Path(url).absolute())


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
