"""`python -m server`: read the settings, serve until SIGTERM or SIGINT, drain, end."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
import time
from typing import NoReturn

import structlog

from server.app import Application
from server.settings import ServerSettings
from shared.errors import PolyheadError
from shared.logs import set_up_logs
from shared.store.folder import prepare_store

log = structlog.get_logger("server")

#: Seconds that a store's or a loader's last call gets after the drain; it is a file read or a second of loading.
LAST_CALLS_S = 3.0


async def serve(settings: ServerSettings) -> None:
    """Run until a signal asks to stop; a second one ends the drain."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    application = Application(settings, settle)

    def on_signal() -> None:
        if stop.is_set():
            application.hurry()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    await application.start()
    await stop.wait()
    await application.stop()


def settle() -> None:
    """All there is now stays as long as the server: the garbage collector need not look through it again.

    Torch and transformers are some 400 000 objects. With full collections over them the longest health answer under
    overload was 0.24 s, without them 0.01 to 0.03 s (`python -m benchmarks.serving --only overload`, 2026-11).
    """
    gc.collect()
    gc.freeze()


def main() -> int:
    try:
        settings = ServerSettings.from_environment()
        prepare_store(settings.store_url)
    except PolyheadError as error:
        print(f"server: {error}", file=sys.stderr)
        return 2
    set_up_logs(settings.server_log_level)
    log.info("settings", **settings.redacted())
    try:
        asyncio.run(serve(settings))
    except (PolyheadError, RuntimeError) as error:
        log.error("cannot serve", error=str(error), listen=settings.server_listen)
        return 1
    return 0


def leave(status: int) -> NoReturn:
    """End the process, whatever its threads do: one that hangs in the store must not keep it."""
    ends_s = time.monotonic() + LAST_CALLS_S
    others = [thread for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()]
    for thread in others:
        thread.join(max(0.0, ends_s - time.monotonic()))
    if stuck := [thread.name for thread in others if thread.is_alive()]:
        log.warning("threads that do not end are left behind", threads=stuck)
        logging.shutdown()
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    leave(main())
