"""The store's primitive on a POSIX folder: get, list, exclusive create, put below a fresh prefix.

Thread-safe: it holds no state but its root and one key that is known to be there. Blocking: call it off the event
loop. Keys are relative POSIX paths.
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
#: Folders that tell a store from any other folder.
_PARTS = frozenset({"artifacts", "versions", "releases", "jobs", "datasets"})


class KeyMissingError(StoreError):
    """Nothing is stored under the key."""


class FolderStore:
    """A store in a folder. Readers need no write permission; only writes create folders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        #: The key of a record that was seen. Records never go: without it the folder is not this store any more, say
        #: the empty mount point of a volume that was lost. Set by the readers of logs.
        self.witness = ""

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
            StoreError: if it cannot be read, or the whole store is away.
        """
        try:
            return self.path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            self._check_there()
            raise KeyMissingError(f"nothing is stored under {key}") from None
        except OSError as error:
            raise StoreError(f"cannot read {key}: {error.strerror}") from error

    def exists(self, key: str) -> bool:
        try:
            return self.path(key).exists()
        except OSError as error:
            raise StoreError(f"cannot look for {key}: {error.strerror}") from error

    def list(self, prefix: str) -> list[str]:
        """Names directly below `prefix`, sorted; empty where there is nothing."""
        try:
            names = os.listdir(self.path(prefix))
        except (FileNotFoundError, NotADirectoryError):
            self._check_there()
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

    def _check_there(self) -> None:
        if self.witness and not self.exists(self.witness):
            raise self.gone(self.witness)

    def gone(self, key: str) -> StoreError:
        """The error for a record that was seen and is not there any more."""
        return StoreError(f"the store {self.root} is away or is another one: {key} was there and is gone")

    def _write_temporary(self, target: Path, body: bytes) -> Path:
        if not target.parent.exists():  # a lost mount leaves an empty folder: no second history begins in it
            self._check_there()
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


def prepare_store(url: str) -> FolderStore:
    """As `open_store`, for a process that starts: the folder is made if it is not there.

    Raises:
        StoreError: if it cannot be a store: no folder, not to be made or read, or a foreign one that cannot be written.
    """
    store = open_store(url)
    setting = f"STORE_URL {url!r}"
    try:
        store.root.mkdir(parents=True, exist_ok=True)
        names = os.listdir(store.root)
    except FileExistsError:
        raise StoreError(f"{setting}: {store.root} is no folder") from None
    except OSError as error:
        raise StoreError(f"{setting}: {store.root} cannot be used or made: {error.strerror}") from error
    # One that has records may be read-only here; and its parts may be volumes of their own.
    if not _PARTS.intersection(names) and not os.access(store.root, os.W_OK | os.X_OK):
        raise StoreError(f"{setting}: there is no store in {store.root}, and none can be made: it cannot be written to")
    return store


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
