"""The compose stack under a project name of its own: builds, starts, inspects, removes it, and touches nothing else.

Drives `docker compose` as a person would; its output goes to the terminal, since a build takes minutes. The images get
a tag of their own, so that a stack that runs on this machine keeps its images. Blocking.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
TAG = "compose-check"
IMAGES = (f"polyhead-server:{TAG}", f"polyhead-worker:{TAG}")
#: A first build downloads about half a gigabyte.
BUILD_TIMEOUT_S = 1500
#: The longest stop_grace_period of docker-compose.yml, three times.
STOP_TIMEOUT_S = 120


@dataclass(frozen=True)
class Container:
    """What the engine says about one service's container."""

    started_at: str
    restarts: int
    status: str
    health: str
    exit_code: int
    oom_killed: bool
    networks: frozenset[str]


class ComposeStack:
    """Create it, `up`, and `remove` in the end. A password and a port of its own; no .env is read."""

    def __init__(self) -> None:
        self.project = f"polyhead-check-{os.getpid()}"
        self.password = secrets.token_hex(16)
        self.port = _free_port()
        self.target = f"127.0.0.1:{self.port}"
        self.metrics_port = _free_port()
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("POLYHEAD_", "COMPOSE_"))
        }
        self._environment = inherited | {
            "POLYHEAD_ENV_FILE": os.devnull,
            "POLYHEAD_PORT": str(self.port),
            "POLYHEAD_METRICS_PORT": str(self.metrics_port),
            "POLYHEAD_TAG": TAG,
            "REDIS_PASSWORD": self.password,
            "DOCKER_BUILDKIT": "1",
        }

    def up(self) -> None:
        """Build, start, and return when every service is healthy.

        Raises:
            subprocess.CalledProcessError: if one of them does not get there.
        """
        self.compose("up", "--build", "--wait", "--wait-timeout", "300", timeout_s=BUILD_TIMEOUT_S)

    def stop(self) -> None:
        self.compose("stop", timeout_s=STOP_TIMEOUT_S)

    def remove(self) -> None:
        """Containers, networks, volumes and the check's images; the build cache stays."""
        self.compose("down", "--volumes", "--remove-orphans", timeout_s=STOP_TIMEOUT_S)
        subprocess.run(["docker", "image", "rm", *IMAGES], check=False, timeout=STOP_TIMEOUT_S)

    def compose(self, *arguments: str, timeout_s: float) -> None:
        command = ["docker", "compose", "--env-file", os.devnull, "-p", self.project, *arguments]
        subprocess.run(command, cwd=ROOT, env=self._environment, check=True, timeout=timeout_s)

    def containers(self) -> dict[str, Container]:
        """By service, stopped ones too."""
        label = f"label=com.docker.compose.project={self.project}"
        ids = _docker("ps", "--all", "--quiet", "--filter", label).split()
        described = json.loads(_docker("inspect", *ids)) if ids else []
        return {body["Config"]["Labels"]["com.docker.compose.service"]: _container(body) for body in described}

    def run_inside(self, service: str, *command: str) -> str:
        """What a command prints inside the service's running container."""
        return _docker("exec", f"{self.project}-{service}-1", *command)

    def logs(self) -> str:
        names = [f"{self.project}-{service}-1" for service in self.containers()]
        finished = (subprocess.run(["docker", "logs", name], capture_output=True, text=True) for name in names)
        return "".join(process.stdout + process.stderr for process in finished)

    def is_internal(self, network: str) -> bool:
        return bool(json.loads(_docker("network", "inspect", network))[0]["Internal"])


def _container(body: dict[str, Any]) -> Container:
    state = body["State"]
    return Container(
        started_at=state["StartedAt"],
        restarts=body["RestartCount"],
        status=state["Status"],
        health=state.get("Health", {}).get("Status", "none"),
        exit_code=state["ExitCode"],
        oom_killed=state["OOMKilled"],
        networks=frozenset(body["NetworkSettings"]["Networks"]),
    )


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], check=True, stdout=subprocess.PIPE, text=True, timeout=60)
    return done.stdout


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
