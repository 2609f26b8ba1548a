"""The first start: base version and release appear exactly once, whoever starts, dies or fails."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from shared.errors import BaseModelError
from shared.redis_client import connect
from shared.store.folder import FolderStore
from shared.store.releases import ReleaseRecord, releases_log
from shared.store.versions import VersionRecord, versions_log
from tests.processes import free_port
from tests.workers.stand import Stand
from worker.publishing.base_publication import BasePublication
from worker.supervision.lease import LeaseOffice
from worker.supervision.stop_signal import StopSignal

#: Stands in for the process that loads torch.
MAKES = """
import json, os, pathlib, sys
pathlib.Path(sys.argv[1], f"made-{os.getpid()}").touch()
print(json.dumps({"artifact_id": f"base-{os.getpid()}", "manifest_sha256": "0" * 64}))
"""


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with Stand(tmp_path_factory.mktemp("stand")) as stand:
        yield stand


@pytest.fixture
def client(stand: Stand) -> Iterator[redis.Redis]:
    client = connect(stand.redis_url)
    yield client
    client.flushall()
    client.close()


def publication(store: FolderStore, client: redis.Redis, code: str = MAKES) -> BasePublication:
    command = [sys.executable, "-c", code, str(store.root.parent)]
    return BasePublication(store, LeaseOffice(client, "redis://test", 2.0), command, 1, StopSignal())


def num_made(store: FolderStore) -> int:
    return len(list(Path(store.root.parent).glob("made-*")))


def assert_published_once(store: FolderStore) -> None:
    assert [entry.job_id for entry in versions_log(store).entries()] == ["base"]
    assert [(entry.job_id, entry.stable) for entry in releases_log(store).entries()] == [("base", 1)]


def test_empty_store_gets_the_base_encoder(store: FolderStore, client: redis.Redis) -> None:
    """Embed and TrainJob work from the first minute."""
    assert publication(store, client).publish()
    assert_published_once(store)
    assert not client.exists("polyhead:lease:base")


def test_workers_that_start_together_publish_once_and_make_one_artifact(
    store: FolderStore, client: redis.Redis
) -> None:
    """They take turns by a lease; the one who waited finds a release."""
    publications = [publication(store, client) for _ in range(3)]
    threads = [threading.Thread(target=each.run) for each in publications]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_published_once(store)
    assert num_made(store) == 1


def test_without_redis_the_logs_alone_decide(store: FolderStore, tmp_path: Path) -> None:
    """A lease only saves work: two that both made an artifact still publish once."""
    nowhere = connect(f"redis://127.0.0.1:{free_port()}/0")
    threads = [threading.Thread(target=publication(store, nowhere).run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_published_once(store)


def test_base_version_without_release_gets_its_release_only(store: FolderStore, client: redis.Redis) -> None:
    """A worker killed between the two records: nothing is made again."""
    versions_log(store).append(lambda _: VersionRecord(artifact_id="b", manifest_sha256="0" * 64, job_id="base"))
    assert publication(store, client).publish()
    assert_published_once(store)
    assert num_made(store) == 0


def test_store_with_a_release_is_left_alone(store: FolderStore, client: redis.Redis) -> None:
    """The second start, and every one after it."""
    releases_log(store).append(lambda _: ReleaseRecord(stable=7, why="w", by="b"))
    assert publication(store, client).publish()
    assert versions_log(store).entries() == ()
    assert len(releases_log(store).entries()) == 1


def test_failure_is_told_in_the_words_of_the_process_that_failed(store: FolderStore, client: redis.Redis) -> None:
    """`base model 'x' is no folder ...` helps; `exit status 1` does not."""
    code = "import sys; print('base model x was not found', file=sys.stderr); sys.exit(1)"
    with pytest.raises(BaseModelError, match=r"^base model x was not found$"):
        publication(store, client, code).publish()
    assert versions_log(store).entries() == ()
    assert not client.exists("polyhead:lease:base")
