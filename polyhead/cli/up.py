"""`polyhead up`: the whole stack on this machine until it is told to stop."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from polyhead.channel import DEFAULT_TARGET
from polyhead.checkout import checkout_root
from polyhead.cli.addresses import host_and_port
from polyhead.cli.exits import UsageError
from polyhead.cli.output import errors_out, out
from polyhead.cli.signals import stop_signals
from polyhead.stack import Stack

LOOK_EVERY_S = 0.5


def up(
    state: Annotated[Path, typer.Option(help="Folder for store, logs and Valkey.")] = Path(".polyhead"),
    data_root: Annotated[
        list[Path] | None, typer.Option(help="Folder below which training data may lie. Default: data of the checkout.")
    ] = None,
    listen: Annotated[str, typer.Option(envvar="SERVER_LISTEN", help="Host and port to serve on.")] = DEFAULT_TARGET,
    redis_url: Annotated[
        str, typer.Option(envvar="REDIS_URL", show_envvar=True, help="Use this Redis, not an embedded Valkey.")
    ] = "",
    store_url: Annotated[str, typer.Option(envvar="STORE_URL", help="The store. Default: store/ in --state.")] = "",
) -> None:
    """Start Valkey, worker and server, and stop them all with Ctrl-C or SIGTERM (exit status 0)."""
    host_and_port("--listen", listen)
    roots = data_root or [checkout_root() / "data"]
    missing = [str(root) for root in roots if not root.is_dir()]
    if missing:
        raise UsageError(f"no such folder for --data-root: {', '.join(missing)}")
    stack = Stack(
        state, data_roots=roots, listen=listen, redis_url=redis_url, store_url=store_url, say=errors_out.print
    )
    try:
        with stop_signals(), stack:
            _announce(stack)
            while True:
                stack.check()
                time.sleep(LOOK_EVERY_S)
    except KeyboardInterrupt:
        errors_out.print("stopped")


def _announce(stack: Stack) -> None:
    for child in reversed(stack.children):
        out.print(f"{child.name:7} process {child.pid}, log {child.log}", soft_wrap=True)
    if stack.valkey is None:
        out.print("Redis   the one that --redis-url or REDIS_URL names")
    out.print(f"store   {stack.store_url}", soft_wrap=True)
    out.print(f"data    {', '.join(map(str, stack.data_roots))}", soft_wrap=True)
    out.print(f"serving on {stack.target}; try: polyhead --server {stack.target} info. Ctrl-C stops it", soft_wrap=True)
