"""`python -m server`: read the settings, serve until SIGTERM or SIGINT, drain, end."""

from __future__ import annotations

import asyncio
import signal
import sys

import structlog

from server.app import Application
from server.settings import ServerSettings
from shared.errors import PolyheadError
from shared.logs import set_up_logs

log = structlog.get_logger("server")


async def serve(settings: ServerSettings) -> None:
    """Run until a signal asks to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    application = Application(settings)
    await application.start()
    await stop.wait()
    await application.stop()


def main() -> int:
    try:
        settings = ServerSettings.from_environment()
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


if __name__ == "__main__":
    sys.exit(main())
