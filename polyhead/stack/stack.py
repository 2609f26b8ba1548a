"""A whole Polyhead on this machine: Valkey, worker and server as child processes over one state folder.

Owns start, readiness, watching and the ordered stop. Deliberately no restarts: a child that dies ends the stack.
Use it from the thread that keeps it running; the children die with that thread (polyhead.stack.tether).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from polyhead.channel import INFERENCE_SERVICE
from polyhead.checkout import checkout_root, child_environment
from polyhead.client import Client
from polyhead.errors import UnavailableError
from polyhead.stack.child import Child
from polyhead.stack.errors import StackError
from polyhead.stack.lock import FolderLock
from polyhead.stack.ports import check_free, free_port
from polyhead.stack.valkey import EmbeddedValkey

#: Imports of torch on a busy two-core machine, the base model's publication, loading and warming.
READY_S = 180.0
#: Above the server's own drain time (SERVER_DRAIN_S, 20 s) and the worker's (8 s).
SERVER_GRACE_S = 30.0
WORKER_GRACE_S = 15.0
VALKEY_GRACE_S = 5.0
#: What to do about a child that has died: before the stack was ready, and after.
NOT_UP_YET = "its log says why, mend that and start again"
START_AGAIN = "start `polyhead up` again: accepted jobs go on"


class Stack:
    """Enter it to start and wait until it answers; leave it, or `stop`, to end every process.

    Everything it writes is below `state`: store/, logs/, valkey/. `environment` adds settings for both processes, such
    as BASE_MODEL or SERVER_*. `say` hears what takes time.
    """

    def __init__(
        self,
        state: Path | str,
        *,
        data_roots: Sequence[Path | str],
        listen: str = "",
        redis_url: str = "",
        store_url: str = "",
        environment: Mapping[str, str] | None = None,
        ready_s: float = READY_S,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.state = Path(state).resolve()
        self.target = listen or f"127.0.0.1:{free_port()}"
        self.logs = self.state / "logs"
        self.store_url = store_url or str(self.state / "store")
        self.data_roots = tuple(Path(root).resolve() for root in data_roots)
        self.valkey: EmbeddedValkey | None = None
        self.worker: Child | None = None
        self.server: Child | None = None
        self._redis_url = redis_url
        self._extra = dict(environment or {})
        self._ready_s = ready_s
        self._say = say or (lambda line: None)
        self._lock = FolderLock(self.state / "lock")
        self._advice = NOT_UP_YET

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def children(self) -> list[Child]:
        """In the order in which they are stopped."""
        found = (self.server, self.worker, self.valkey.child if self.valkey else None)
        return [child for child in found if child is not None]

    def start(self) -> None:
        """Start everything and return when the server answers predictions' requests.

        Raises:
            StackError: if the port is taken, a process ends, or is not ready in time; everything is stopped then.
        """
        self._lock.acquire()
        try:
            host, _, port = self.target.rpartition(":")
            check_free(host.strip("[]"), int(port))
            self._start_children()
            self._wait_until_ready()
            self._advice = START_AGAIN
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every process: server, worker, Valkey. A second Ctrl-C meanwhile kills what is left."""
        graces = {"server": SERVER_GRACE_S, "worker": WORKER_GRACE_S}
        is_hurried = False
        for child in self.children:
            try:
                child.stop(0 if is_hurried else graces.get(child.name, VALKEY_GRACE_S))
            except KeyboardInterrupt:
                is_hurried = True
        self.server = self.worker = self.valkey = None
        self._lock.release()

    def check(self) -> None:
        """
        Raises:
            StackError: if a process has ended by itself; its first line says which, how, and what to do.
        """
        for child in self.children:
            if child.has_died:
                raise StackError(
                    f"{child.name} {child.how_it_died}; {self._advice}\n"
                    f"the end of its log {child.log}:\n{child.tail() or '(it wrote nothing)'}"
                )

    def _start_children(self) -> None:
        root = checkout_root()
        if not self._redis_url:
            self.valkey = EmbeddedValkey(self.state / "valkey", self.logs / "valkey.log")
            self.valkey.start()
        shared = {
            **child_environment(root),
            "STORE_URL": self.store_url,
            "REDIS_URL": self.valkey.url if self.valkey else self._redis_url,
            "PYTHONUNBUFFERED": "1",
            **self._extra,
        }
        roots = os.pathsep.join(map(str, self.data_roots))
        self.worker = self._python("worker", {**shared, "WORKER_DATA_ROOTS": roots}, root)
        self.server = self._python("server", {**shared, "SERVER_LISTEN": self.target}, root)
        for child in (self.worker, self.server):
            child.start()

    def _python(self, module: str, environment: Mapping[str, str], root: Path) -> Child:
        return Child(module, [sys.executable, "-m", module], environment, root, self.logs / f"{module}.log")

    def _wait_until_ready(self) -> None:
        self._say("starting worker and server ...")
        deadline = time.monotonic() + self._ready_s
        with Client(self.target) as client:
            # The job API comes first; the inference service needs the base model, which a worker publishes.
            for service, what in (("", "the server"), (INFERENCE_SERVICE, "its model")):
                self._wait_for(client, service, deadline)
                self._say(f"{what} is ready")

    def _wait_for(self, client: Client, service: str, deadline: float) -> None:
        while True:
            self.check()
            try:
                client.wait_until_ready(0.5, service)
                return
            except UnavailableError as error:
                if time.monotonic() > deadline:
                    raise StackError(
                        f"not ready after {self._ready_s:g} s: {error}; the logs are in {self.logs}\n"
                        + "\n".join(f"--- {child.name}\n{child.tail()}" for child in self.children)
                    ) from None
