"""A small synchronous service: an HTTP server that decides which comments of a web site are published at once.

    polyhead up                                     # with a model that has the task, such as after `make demo`
    python examples/sync_service.py
    curl -d '{"text": "what a lovely day"}' http://127.0.0.1:8080/comments

One Client serves all threads: it is thread-safe, keeps one connection, and tries again while the server restarts.
"""

from __future__ import annotations

import argparse
import json
import math
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import polyhead

MAX_BODY_BYTES = 64 * 1024


class Moderator:
    """Publishes a comment unless the model is sure enough that it has the bad label."""

    def __init__(self, client: polyhead.Client, task: str, bad_label: str, threshold: float) -> None:
        self._client = client
        self._task = task
        self._bad_label = bad_label
        self._threshold = threshold

    def decide(self, comment: str) -> dict[str, Any]:
        answer = self._client.predict(comment, tasks=[self._task], timeout_s=5)
        score = answer[0][self._task].scores[self._bad_label]
        return {"publish": score < self._threshold, "score": round(score, 4), "model_version": answer.model_version}


class Comments(BaseHTTPRequestHandler):
    """POST /comments {"text": ...} -> {"publish": ...}. Each request runs in a thread of its own."""

    moderator: Moderator

    def do_POST(self) -> None:
        if self.path != "/comments":
            return self.answer(404, {"error": f"nothing here: {self.path}"})
        try:
            comment = self.read_comment()
        except ValueError as error:
            return self.answer(400, {"error": str(error)})
        try:
            return self.answer(200, self.moderator.decide(comment))
        except polyhead.InvalidArgumentError as error:
            return self.answer(400, {"error": error.message})
        except polyhead.DeadlineExceededError as error:
            return self.answer(504, {"error": error.message})
        except (polyhead.UnavailableError, polyhead.ResourceExhaustedError) as error:
            return self.answer(503, {"error": error.message}, retry_after_s=error.retry_after_s or 1)
        except polyhead.CallError as error:
            # No such task, or no task at all yet: the visitor can do nothing about it, the log of the server can.
            return self.answer(502, {"error": error.message, "request_id": error.request_id})

    def read_comment(self) -> str:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 < length <= MAX_BODY_BYTES:
            raise ValueError(f"send 1 to {MAX_BODY_BYTES} bytes of JSON (got {length})")
        body = json.loads(self.rfile.read(length))
        if not isinstance(body, dict) or not isinstance(body.get("text"), str):
            raise ValueError('send {"text": "..."}')
        return str(body["text"])

    def answer(self, status: int, body: dict[str, Any], retry_after_s: float | None = None) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        if retry_after_s is not None:
            self.send_header("Retry-After", str(math.ceil(retry_after_s)))
        self.end_headers()
        self.wfile.write(payload)


def main() -> None:
    parser = argparse.ArgumentParser(description="Decides over HTTP which comments are published at once.")
    parser.add_argument("--server", default="127.0.0.1:50051", help="Polyhead; of several servers, with commas")
    parser.add_argument("--port", type=int, default=8080, help="where to listen; 0 takes a free one")
    parser.add_argument("--task", default="hate_speech")
    parser.add_argument("--bad-label", default="hate")
    parser.add_argument("--threshold", type=float, default=0.5, help="score from which a comment waits for a person")
    options = parser.parse_args()
    with polyhead.Client(options.server) as client:
        Comments.moderator = Moderator(client, options.task, options.bad_label, options.threshold)
        with ThreadingHTTPServer(("127.0.0.1", options.port), Comments) as server:
            print(f"listening on http://127.0.0.1:{server.server_port}/comments", flush=True)
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print("stopped")


if __name__ == "__main__":
    main()
