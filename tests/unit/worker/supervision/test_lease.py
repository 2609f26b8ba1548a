"""The lease key: who may take, renew and release it, and what a keeper makes of it."""

from __future__ import annotations

import redis

from shared.redis_client import connect
from tests.processes import free_port
from tests.workers.stand import Stand
from worker.supervision.lease import LeaseOffice
from worker.supervision.lease_keeper import LeaseKeeper

TTL_S = 1.0


def test_lease_taken_is_not_taken_again(client: redis.Redis) -> None:
    """The point of a lease."""
    office = LeaseOffice(client, "redis://test", TTL_S)
    lease = office.take("job")
    assert lease is not None
    assert office.is_held("job")
    assert office.take("job") is None
    lease.release()
    assert not office.is_held("job")
    assert office.take("job") is not None


def test_lease_of_another_is_neither_renewed_nor_released(client: redis.Redis) -> None:
    """A holder that was too late must not push out, or free, the one who came after it."""
    office = LeaseOffice(client, "redis://test", TTL_S)
    late = office.take("job")
    assert late is not None
    client.delete("polyhead:lease:job")
    assert office.take("job") is not None
    assert not late.renew()
    late.release()
    assert office.is_held("job")


def test_lease_lost_in_a_flush_is_renewed(client: redis.Redis) -> None:
    """A Redis that restarts empty must not cost a training that is well."""
    office = LeaseOffice(client, "redis://test", TTL_S)
    lease = office.take("job")
    assert lease is not None
    client.flushall()
    assert lease.renew()
    assert 0 < int(client.pttl("polyhead:lease:job")) <= 1000


def test_keeper_keeps_the_lease_beyond_its_time_to_live(module_stand: Stand, client: redis.Redis) -> None:
    """Renewal is the keeper's own business: nobody else has to do anything."""
    lease = LeaseOffice(client, "redis://test", TTL_S).take("job")
    assert lease is not None
    with LeaseKeeper(lease) as keeper:
        for _ in range(3):
            client.pexpire("polyhead:lease:job", 400)
            module_stand.wait_until(lambda: int(client.pttl("polyhead:lease:job")) > 500)
    assert keeper.lost == ""


def test_keeper_that_cannot_renew_for_a_whole_time_to_live_says_so(module_stand: Stand, client: redis.Redis) -> None:
    """Behind a cut network another worker may hold the lease by now: the work must stop."""
    lease = LeaseOffice(client, "redis://test", TTL_S).take("job")
    assert lease is not None
    nowhere = connect(f"redis://127.0.0.1:{free_port()}/0")
    lease._office.client = nowhere
    with LeaseKeeper(lease) as keeper:
        module_stand.wait_until(lambda: keeper.lost != "")
    assert keeper.lost == "the lease could not be renewed for 1 s"


def test_keeper_whose_lease_was_taken_says_so(module_stand: Stand, client: redis.Redis) -> None:
    """Another holder is certain loss; there is no waiting for a time to live."""
    lease = LeaseOffice(client, "redis://test", TTL_S).take("job")
    assert lease is not None
    client.set("polyhead:lease:job", "another")
    with LeaseKeeper(lease) as keeper:
        module_stand.wait_until(lambda: keeper.lost != "")
    assert keeper.lost == "another worker holds the lease"
