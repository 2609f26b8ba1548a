"""A stand-in for a public data source: a real HTTP server on 127.0.0.1 that can misbehave in named ways."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Behaviour:
    """What the server has and how it answers. Counts are used up as requests come in."""

    files: dict[str, bytes] = field(default_factory=dict)
    etag: str | None = '"one"'
    ranges: bool = True
    #: Close the connection after so many body bytes, this many times.
    cut_after: int = 0
    cuts: int = 0
    #: Answer with this status, this many times.
    status: int = 0
    refusals: int = 0
    #: Say nothing until the test is over, this many times.
    silences: int = 0
    #: Range headers, as they came in.
    asked: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)


class SourceServer(ThreadingHTTPServer):
    """Serves `behaviour.files`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behaviour = Behaviour()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: SourceServer

    def do_GET(self) -> None:
        behaviour = self.server.behaviour
        asked = self.headers.get("Range", "")
        behaviour.asked.append(asked)
        if behaviour.silences:
            behaviour.silences -= 1
            behaviour.released.wait()
            return
        if behaviour.refusals:
            behaviour.refusals -= 1
            self.send_error(behaviour.status)
            return
        content = behaviour.files.get(self.path.lstrip("/"))
        if content is None:
            self.send_error(404)
            return
        self._send(content, asked)

    def _send(self, content: bytes, asked: str) -> None:
        behaviour = self.server.behaviour
        start = 0
        if asked and behaviour.ranges and self.headers.get("If-Range") == behaviour.etag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        body = content[start:]
        self.send_header("Content-Length", str(len(body)))
        if behaviour.etag:
            self.send_header("ETag", behaviour.etag)
        self.end_headers()
        if behaviour.cuts:
            behaviour.cuts -= 1
            body = body[: behaviour.cut_after]
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the tests look at `asked`."""
