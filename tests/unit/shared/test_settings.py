"""Wrong settings stop the start with the name and the value; what a cluster injects does not."""

from __future__ import annotations

import os

import pytest

from server.engines.torch_engine import pick_device
from server.settings import ServerSettings
from shared.errors import InvalidInputError
from shared.settings import ProcessSettings
from worker.settings import WorkerSettings

#: What kubelet gives to every container for a Service (https://kubernetes.io/docs/concepts/services-networking/service).
INJECTED = {
    "{}_SERVICE_HOST": "10.0.0.1",
    "{}_SERVICE_PORT": "50051",
    "{}_SERVICE_PORT_GRPC": "50051",
    "{}_PORT": "tcp://10.0.0.1:50051",
    "{}_PORT_50051_TCP": "tcp://10.0.0.1:50051",
    "{}_PORT_50051_TCP_PROTO": "tcp",
    "{}_PORT_50051_TCP_PORT": "50051",
    "{}_PORT_50051_TCP_ADDR": "10.0.0.1",
}


def read(settings: type[ProcessSettings], monkeypatch: pytest.MonkeyPatch, **environ: str) -> ProcessSettings:
    for name in os.environ:
        if name.startswith(settings.PREFIX):
            monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return settings.from_environment()


@pytest.mark.parametrize("service", ["", "_METRICS"])
@pytest.mark.parametrize("settings", [ServerSettings, WorkerSettings])
def test_variables_of_a_kubernetes_service_of_the_same_name_are_passed_over(
    settings: type[ProcessSettings], service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = settings.PREFIX.removesuffix("_") + service
    read(settings, monkeypatch, **{name.format(prefix): value for name, value in INJECTED.items()})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SERVER_PORT", "50051", "SERVER_PORT is no setting"),
        ("SERVER_LISTN", "127.0.0.1:1", "did you mean SERVER_LISTEN?"),
        ("SERVER_LISTEN", "127.0.0.1:99999", "SERVER_LISTEN: .*99999 is above 65535"),
        ("SERVER_METRICS_LISTEN", "127.0.0.1:65536", "SERVER_METRICS_LISTEN: .*65536 is above 65535"),
        ("SERVER_POLL_S", "inf", "SERVER_POLL_S: .*finite"),
        ("SERVER_DRAIN_S", "nan", "SERVER_DRAIN_S: .*finite"),
        ("SERVER_DEVICE", "bogus", "SERVER_DEVICE: .*cuda"),
        ("REDIS_URL", "garbage", "REDIS_URL: .*redis://"),
        ("REDIS_URL", "http://:secret@host", "REDIS_URL: .*redis://"),
        ("REDIS_URL", "unix:///run/redis.sock", "REDIS_URL: .*redis://"),
        ("REDIS_URL", "redis://host:port/0", "REDIS_URL: .*PORT"),
        ("REDIS_URL", "redis://host:65536/0", "REDIS_URL: .*PORT"),
        ("REDIS_URL", "redis://host/first", "REDIS_URL: .*DATABASE"),
        ("REDIS_URL", "redis://:secret#1@host/0", "REDIS_URL: .*%23"),
        ("REDIS_URL", "redis://[::1", "REDIS_URL: .*HOST"),
        ("SERVER_DRAIN_MIN_S", "21", r"^SERVER_DRAIN_MIN_S \(21\) is longer than SERVER_DRAIN_S \(20\)"),
    ],
)
def test_setting_that_cannot_be_stops_the_start_with_its_name(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidInputError, match=words) as caught:
        read(ServerSettings, monkeypatch, **{name: value})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["redis://host", "redis://host/", "rediss://user:p%23@host:6380/15", "redis://[::1]:6379/0?socket_timeout=5"]
)
def test_redis_url_that_clients_understand_is_taken(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(WorkerSettings, monkeypatch, REDIS_URL=url).redis_url.get_secret_value() == url


def test_gpu_that_is_not_there_stops_the_start() -> None:
    """Models would be refused one after the other, as if they were at fault."""
    with pytest.raises(InvalidInputError, match=r"SERVER_DEVICE 'cuda:99' is not there: torch .* sees \d+ GPUs"):
        pick_device("cuda:99")
