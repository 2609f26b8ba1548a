"""A small asyncio service: which entry of a help page answers a question best? A line in, a line of JSON out.

    polyhead up
    python examples/async_service.py
    echo "my parcel is late" | nc -N 127.0.0.1 8081

One AsyncClient serves all connections of the event loop. The entries are embedded once; when a model with another
encoder is released, their vectors and the question's no longer compare, and they are embedded again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polyhead

ENTRIES = (
    "Where is my order, and when does the parcel arrive?",
    "How do I send something back and get a refund?",
    "I forgot my password and cannot log in.",
    "Which ways to pay are there?",
    "How do I reach a person?",
)


@dataclass(frozen=True)
class Embedded:
    """The vectors of all entries, of one encoder."""

    encoder_id: str
    vectors: list[array[float]]


class HelpPage:
    """Entries, embedded with the encoder that is served."""

    def __init__(self, client: polyhead.AsyncClient, entries: list[str]) -> None:
        self._client = client
        self._entries = entries
        self._embedded = Embedded("", [])
        self._loading = asyncio.Lock()

    async def load(self, stale: str = "") -> None:
        """Embed the entries, unless somebody else has replaced the vectors of the encoder `stale` meanwhile."""
        async with self._loading:
            if self._embedded.encoder_id != stale:
                return
            info = await self._client.server_info()
            encoder_id = info.model.encoder_id if info.model else ""
            # A stream takes a page of any length, and sees to it that all vectors are of one encoder.
            stream = self._client.embed_stream(self._entries, expect_encoder_id=encoder_id)
            self._embedded = Embedded(encoder_id, [item.values async for item in stream])

    async def best(self, question: str) -> dict[str, Any]:
        for _ in range(3):
            page = self._embedded
            try:
                answer = await self._client.embed(question, expect_encoder_id=page.encoder_id, timeout_s=5)
                return self._nearest(answer[0].values, page)
            except polyhead.FailedPreconditionError:
                await self.load(stale=page.encoder_id)
        raise polyhead.FailedPreconditionError("the encoder changes faster than the page is embedded")

    def _nearest(self, asked: array[float], page: Embedded) -> dict[str, Any]:
        # The vectors have length 1: their dot product is the cosine of the angle between them.
        scores = [sum(a * b for a, b in zip(asked, vector, strict=True)) for vector in page.vectors]
        score, entry = max(zip(scores, self._entries, strict=True))
        return {"entry": entry, "score": round(score, 4), "encoder_id": page.encoder_id}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: a question a line, an answer a line."""
        try:
            while line := await reader.readline():
                question = line.decode(errors="replace").strip()
                try:
                    answer = await self.best(question)
                except polyhead.PolyheadError as error:
                    answer = {"error": error.message}
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError) as error:
            # The other side has left, or sent a line without end: this connection ends, the service goes on.
            logging.warning("connection closed: %s", error)
        finally:
            writer.close()


async def run(options: argparse.Namespace) -> None:
    entries = options.entries.read_text().splitlines() if options.entries else list(ENTRIES)
    async with polyhead.AsyncClient(options.server) as client:
        await client.wait_until_ready(service=polyhead.INFERENCE_SERVICE)
        page = HelpPage(client, [entry for entry in entries if entry.strip()])
        await page.load()
        server = await asyncio.start_server(page.serve, "127.0.0.1", options.port)
        async with server:
            print(f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
            await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description="Finds the entry of a help page that answers a question best.")
    parser.add_argument("--server", default="127.0.0.1:50051", help="Polyhead; of several servers, with commas")
    parser.add_argument("--port", type=int, default=8081, help="where to listen; 0 takes a free one")
    parser.add_argument("--entries", type=Path, help="a file with one entry a line, instead of five of a shop")
    try:
        asyncio.run(run(parser.parse_args()))
    except KeyboardInterrupt:
        print("stopped")


if __name__ == "__main__":
    main()
