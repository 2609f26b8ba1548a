"""One file from a web address to disk: resumes, times out, and tells its caller how far it is.

Owns HTTP and the `.part` file. Does not know data sets, checksums or archives. Blocking.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shared.errors import PolyheadError

#: How far a file is: bytes there, bytes in all (None: the server did not say).
OnBytes = Callable[[int, int | None], None]
_CHUNK_BYTES = 1 << 16
_USER_AGENT = "polyhead-data"


class DownloadError(PolyheadError):
    """A file could not be downloaded; the message names the address and what to do."""

    code = "DOWNLOAD"


class _CutOffError(Exception):
    """The connection ended, or stayed silent for too long, before the file was complete."""


@dataclass(frozen=True, slots=True)
class Downloader:
    """Downloads with these limits. `timeout_s`: longest silence of the server; `attempts`: connections for one file."""

    timeout_s: float = 30.0
    attempts: int = 4
    pause_s: float = 1.0

    def download(self, url: str, part: Path, on_bytes: OnBytes) -> None:
        """Fill `part` from `url`; what it already holds is kept if the server confirms that the file is the same.

        Raises:
            DownloadError: if the server refuses, or the connection breaks too often. `part` is kept for the next run.
        """
        part.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, self.attempts + 1):
            try:
                self._connect_once(url, part, on_bytes)
                _tag_file(part).unlink(missing_ok=True)
                return
            except _CutOffError as error:
                if attempt == self.attempts:
                    there = part.stat().st_size if part.exists() else 0
                    raise DownloadError(
                        f"{url}: {error} ({attempt} attempts, {there:,} bytes are kept); "
                        "run the same command again to go on from there"
                    ) from None
                time.sleep(self.pause_s)

    def _connect_once(self, url: str, part: Path, on_bytes: OnBytes) -> None:
        there = part.stat().st_size if part.exists() else 0
        tag = _tag_file(part).read_text() if _tag_file(part).exists() else ""
        headers = {"User-Agent": _USER_AGENT}
        if there and tag:
            # If-Range: a file that changed since is sent whole, so two versions never mix.
            headers |= {"Range": f"bytes={there}-", "If-Range": tag}
        try:
            # The catalogue lets only http and https addresses through.
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=self.timeout_s) as answer:
                continues = answer.headers.get("Content-Range", "").startswith(f"bytes {there}-")
                if answer.status == 206 and not continues:
                    discard(part)
                    raise _CutOffError("the server sent another part of the file than was asked for")
                self._receive(answer, part, there if answer.status == 206 else 0, on_bytes)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 416 and there:
                    part.unlink()
                    raise _CutOffError("the server cannot continue the file") from None
                if error.code in (408, 429) or error.code >= 500:
                    raise _CutOffError(f"the server answered {error.code} {error.reason}") from None
                raise DownloadError(_refusal(url, error.code, error.reason)) from None
        except TimeoutError:
            raise _CutOffError(f"the server was silent for {self.timeout_s:g} s") from None
        except urllib.error.URLError as error:
            reason = error.reason
            silent = f"the server was silent for {self.timeout_s:g} s"
            raise _CutOffError(silent if isinstance(reason, TimeoutError) else f"no connection: {reason}") from None
        except (http.client.HTTPException, ConnectionError) as error:
            raise _CutOffError(f"the connection broke: {error or type(error).__name__}") from None

    def _receive(self, answer: http.client.HTTPResponse, part: Path, start: int, on_bytes: OnBytes) -> None:
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length is not None and length.isdigit() else None
        tag = answer.headers.get("ETag", "")
        # A weak tag promises equal meaning, not equal bytes (RFC 9110, section 13.1.5).
        _tag_file(part).write_text("" if tag.startswith("W/") else tag)
        done = start
        on_bytes(done, total)
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            while chunk := answer.read(_CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                on_bytes(done, total)
        if total is not None and done < total:
            raise _CutOffError(f"the connection ended after {done:,} of {total:,} bytes")


def _tag_file(part: Path) -> Path:
    return part.with_name(part.name + ".etag")


def discard(part: Path) -> None:
    """Forget an unfinished download."""
    part.unlink(missing_ok=True)
    _tag_file(part).unlink(missing_ok=True)


def _refusal(url: str, status: int, reason: str) -> str:
    if status in (401, 403):
        return (
            f"{url}: the server answered {status} {reason}: the file needs a login, or its terms must be accepted first"
        )
    if status in (404, 410):
        return f"{url}: the server answered {status} {reason}: the file is no longer there; look at the set's page"
    return f"{url}: the server answered {status} {reason}"
