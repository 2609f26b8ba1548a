"""Promote, Rollback, SetAlias and WatchReleases over a real socket: what they change, and what they refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from polyhead.v1 import inference_pb2, models_pb2, models_pb2_grpc
from polyhead.v1.inference_pb2_grpc import InferenceServiceStub
from shared.store.folder import FolderStore
from shared.store.releases import ReleaseRecord, releases_log
from shared.store.versions import versions_log
from tests.conftest import RunningServer
from tests.integration.server.waiting import server_info, until_serving
from tests.published import add_version, publish

Promote, Rollback, SetAlias = models_pb2.PromoteRequest, models_pb2.RollbackRequest, models_pb2.SetAliasRequest
STATE = models_pb2.ModelState


@pytest.fixture
async def models(server: RunningServer, tiny_base: Path) -> models_pb2_grpc.ModelServiceStub:
    """Versions 1 and 2 were released, 3 was not."""
    for seed in (1, 2):
        publish(server.store, tiny_base, seed=seed)
    add_version(server.store, tiny_base, seed=3)
    await until_serving(server.channel, 2)
    return models_pb2_grpc.ModelServiceStub(server.channel)


async def answering(server: RunningServer, **selector: Any) -> int:
    """The version that answers a request which names `selector`."""
    request = inference_pb2.PredictRequest(
        sentences=["good"], model=inference_pb2.ModelSelector(**selector) if selector else None
    )
    return int((await InferenceServiceStub(server.channel).Predict(request)).model_version)


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


def damage(store: FolderStore, version: int) -> None:
    record = versions_log(store).entries()[version - 1]
    path = store.path(f"artifacts/{record.artifact_id}/heads.safetensors")
    path.write_bytes(path.read_bytes()[:-1])


async def test_promoted_version_answers_when_the_call_returns(
    server: RunningServer, models: models_pb2_grpc.ModelServiceStub
) -> None:
    """A script that promotes and then predicts must not meet the old model."""
    release = await models.Promote(Promote(version=3, by="ann", why="better"))
    assert await answering(server) == 3
    assert (release.number, release.stable, release.aliases["latest"], release.hold) == (3, 3, 2, True)
    assert (release.change, release.by, release.why) == ("promote 3", "ann", "better")
    assert len(releases_log(server.store).entries()) == 3


async def test_rollback_moves_stable_alone(server: RunningServer, models: models_pb2_grpc.ModelServiceStub) -> None:
    """Who names `latest` still gets the newest version."""
    release = await models.Rollback(Rollback(version=1))
    assert (release.stable, release.hold) == (1, True)
    assert await answering(server) == 1
    assert await answering(server, alias="stable") == 1
    assert await answering(server, alias="latest") == 2
    assert await answering(server, version=2) == 2


async def test_alias_is_set_moved_and_removed(server: RunningServer, models: models_pb2_grpc.ModelServiceStub) -> None:
    """A team pins its own name to a version."""
    await models.SetAlias(SetAlias(alias="eu", version=3))
    assert await answering(server, alias="eu") == 3
    assert await answering(server) == 2
    await models.SetAlias(SetAlias(alias="eu", version=1))
    assert await answering(server, alias="eu") == 1
    await models.SetAlias(SetAlias(alias="eu", version=0))
    code, words = await refused(answering(server, alias="eu"))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert words == "alias 'eu' is not in the routing table; loaded are 2 (stable, latest)"


async def test_named_version_that_is_not_loaded_is_refused_with_the_list(
    server: RunningServer, models: models_pb2_grpc.ModelServiceStub
) -> None:
    """No caller can make a server load and unload models by naming them."""
    code, words = await refused(answering(server, version=3))
    assert (code, "loaded are 2 (stable, latest)" in words) == (grpc.StatusCode.FAILED_PRECONDITION, True)
    assert await refused(answering(server, version=9)) == (
        grpc.StatusCode.NOT_FOUND,
        "there is no version 9; the newest is 3",
    )
    code, words = await refused(answering(server, version=-1))
    assert (code, "model.version" in words) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    code, words = await refused(answering(server, alias=""))
    assert (code, "model.alias" in words) == (grpc.StatusCode.INVALID_ARGUMENT, True)


async def test_repeated_request_id_is_the_same_change(
    server: RunningServer, models: models_pb2_grpc.ModelServiceStub
) -> None:
    """A client that lost the answer asks again; in between, somebody else may have changed the table."""
    first = await models.Promote(Promote(request_id="r1", version=3))
    await models.Rollback(Rollback(version=1))
    assert await models.Promote(Promote(request_id="r1", version=3)) == first
    assert await answering(server) == 1
    code, words = await refused(models.Promote(Promote(request_id="r1", version=2)))
    assert (code, "`promote 3`" in words) == (grpc.StatusCode.ALREADY_EXISTS, True)


async def test_promotions_at_once_are_all_in_the_log(
    server: RunningServer, models: models_pb2_grpc.ModelServiceStub
) -> None:
    """Each decides on the table that the one before it left: no change is lost."""
    names = [f"team-{number}" for number in range(6)]
    await asyncio.gather(*(models.SetAlias(SetAlias(alias=name, version=1)) for name in names))
    newest = releases_log(server.store).entries()[-1]
    assert set(newest.aliases) == {"latest", *names}


@pytest.mark.parametrize(
    ("call", "code", "words"),
    [
        (lambda m: m.Promote(Promote(version=9)), "NOT_FOUND", "there is no version 9"),
        (lambda m: m.Rollback(Rollback(version=9)), "NOT_FOUND", "there is no version 9"),
        (lambda m: m.SetAlias(SetAlias(alias="a", version=9)), "NOT_FOUND", "there is no version 9"),
        (lambda m: m.GetVersion(models_pb2.GetVersionRequest(number=9)), "NOT_FOUND", "there is no version 9"),
        (lambda m: m.Rollback(Rollback(version=3)), "FAILED_PRECONDITION", "never stable; a rollback can go to: 1"),
        (lambda m: m.Rollback(Rollback(version=2)), "FAILED_PRECONDITION", "stable already"),
        (lambda m: m.Promote(Promote(version=0)), "INVALID_ARGUMENT", "version is 0"),
        (lambda m: m.Promote(Promote(version=3, canary_share=1.5)), "INVALID_ARGUMENT", "canary_share is 1.5"),
        (lambda m: m.Promote(Promote(version=3, canary_share=float("nan"))), "INVALID_ARGUMENT", "canary_share is nan"),
        (lambda m: m.Promote(Promote(version=2, canary_share=0.5)), "FAILED_PRECONDITION", "is stable"),
        (lambda m: m.SetAlias(SetAlias(alias="stable", version=1)), "INVALID_ARGUMENT", "Promote and Rollback only"),
        (lambda m: m.SetAlias(SetAlias(alias="Prod!", version=-1)), "INVALID_ARGUMENT", "version is -1"),
        (lambda m: m.SetAlias(SetAlias(alias="Prod!", version=-1)), "INVALID_ARGUMENT", "alias is 'Prod!'"),
        (lambda m: m.Promote(Promote(version=1, request_id="x" * 129)), "INVALID_ARGUMENT", "129 characters"),
    ],
)
async def test_change_that_cannot_be_is_refused_and_nothing_changes(
    server: RunningServer,
    models: models_pb2_grpc.ModelServiceStub,
    call: Callable[[models_pb2_grpc.ModelServiceStub], Any],
    code: str,
    words: str,
) -> None:
    """Every refusal has its status, and says what is wrong with which value."""
    status, message = await refused(call(models))
    assert status.name == code
    assert words in message
    assert len(releases_log(server.store).entries()) == 2


@pytest.mark.parametrize("loaded_before", [False, True])
async def test_corrupt_version_is_not_promoted_and_nothing_changes(
    server: RunningServer, models: models_pb2_grpc.ModelServiceStub, loaded_before: bool
) -> None:
    """It is proven first; also where it is in memory already, since other servers will read its files."""
    if loaded_before:
        await models.SetAlias(SetAlias(alias="eu", version=3))
    num_releases = len(releases_log(server.store).entries())
    damage(server.store, 3)
    for call in (models.Promote(Promote(version=3)), models.SetAlias(SetAlias(alias="us", version=3))):
        code, words = await refused(call)
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert "heads.safetensors" in words
        assert "nothing was changed" in words
    assert len(releases_log(server.store).entries()) == num_releases
    assert await answering(server) == 2


async def test_automatic_release_while_held_is_kept_and_resume_clears_the_hold(
    server: RunningServer, models: models_pb2_grpc.ModelServiceStub
) -> None:
    """The release after a promotion must not undo it; a person says when jobs may release again."""
    await models.Promote(Promote(version=1))
    assert (await server_info(server.channel)).routing.hold
    release = await models.Promote(Promote(version=1, resume_automatic=True))
    assert (release.stable, release.hold) == (1, False)


async def test_canary_gets_its_share_and_its_key_always_the_same(
    server: RunningServer, models: models_pb2_grpc.ModelServiceStub
) -> None:
    """Half of the keys see the canary, each of them every time; who names a version gets that."""
    await models.Promote(Promote(version=3, canary_share=0.5))
    stub = InferenceServiceStub(server.channel)

    async def version_of(key: str) -> int:
        request = inference_pb2.PredictRequest(sentences=["good"], routing_key=key)
        return int((await stub.Predict(request)).model_version)

    keys = [f"user {number}" for number in range(40)]
    seen = [await version_of(key) for key in keys]
    assert seen == [await version_of(key) for key in keys]
    assert set(seen) == {2, 3}
    assert {await answering(server, alias="stable") for _ in range(20)} == {2}
    assert await answering(server, alias="canary") == 3
    assert {await answering(server) for _ in range(60)} == {2, 3}
    versions = (await models.ListVersions(models_pb2.ListVersionsRequest())).versions
    assert [(v.number, v.is_stable, list(v.aliases), v.canary_share) for v in versions] == [
        (3, False, [], 0.5),
        (2, True, ["latest"], 0.0),
        (1, False, [], 0.0),
    ]
    await models.Promote(Promote(version=3, canary_share=0))
    assert {await answering(server) for _ in range(20)} == {2}


async def test_task_that_the_canary_lacks_is_answered_by_stable(
    server: RunningServer, models: models_pb2_grpc.ModelServiceStub, tiny_base: Path
) -> None:
    """A trial of one head must not take the others away."""
    from shared.model import Task

    mood = add_version(server.store, tiny_base, tasks=[Task("sentiment", ("negative", "neutral", "positive"))])
    await models.Promote(Promote(version=mood, canary_share=1.0))
    stub = InferenceServiceStub(server.channel)
    answers = {
        task: (await stub.Predict(inference_pb2.PredictRequest(sentences=["good"], tasks=[task]))).model_version
        for task in ("sentiment", "hate_speech")
    }
    assert answers == {"sentiment": mood, "hate_speech": 2}
    assert await answering(server) == 2


async def test_server_info_tells_each_version_with_its_state(
    server: RunningServer, models: models_pb2_grpc.ModelServiceStub
) -> None:
    """An operator sees what is loaded for whom, and why something is not."""
    await models.SetAlias(SetAlias(alias="eu", version=1))
    damage(server.store, 3)
    releases_log(server.store).append(
        lambda _: ReleaseRecord(stable=2, aliases={"latest": 2, "eu": 3}, why="by hand", by="test")
    )
    for _ in range(400):
        states = {item.version: item for item in (await server_info(server.channel)).models}
        if 3 in states and states[3].state == STATE.REFUSED:
            break
        await asyncio.sleep(0.05)
    assert {version: (item.state, list(item.roles)) for version, item in states.items()} == {
        1: (STATE.LOADED, ["eu"]),  # the alias keeps what it had
        2: (STATE.LOADED, ["stable", "latest"]),
        3: (STATE.REFUSED, []),
    }
    assert "heads.safetensors" in states[3].reason
    assert await answering(server, alias="eu") == 1
    code, words = await refused(answering(server, version=3))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "version 3 was refused" in words


async def test_encoder_that_is_not_expected_is_refused_with_both_ids(
    server: RunningServer, models: models_pb2_grpc.ModelServiceStub
) -> None:
    """Vectors of two encoders do not mix."""
    stub = InferenceServiceStub(server.channel)
    served = (await server_info(server.channel)).model.encoder_id
    request = inference_pb2.EmbedRequest(sentences=["a"], expect_encoder_id="mine")
    code, words = await refused(stub.Embed(request))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "'mine'" in words
    assert served in words


async def test_watch_tells_the_newest_release_and_each_after_it(
    server: RunningServer, models: models_pb2_grpc.ModelServiceStub
) -> None:
    """A dashboard follows without polling, and one that was away begins where it stopped."""
    watch = models.WatchReleases(models_pb2.WatchReleasesRequest())
    assert (await watch.read()).number == 2
    release = await models.SetAlias(SetAlias(alias="eu", version=1))
    assert await watch.read() == release
    watch.cancel()
    earlier = models.WatchReleases(models_pb2.WatchReleasesRequest(after=1))
    assert [(await earlier.read()).number for _ in range(2)] == [2, 3]
    earlier.cancel()
    code, words = await refused(models.WatchReleases(models_pb2.WatchReleasesRequest(after=9)).read())
    assert (code, "the newest is 3" in words) == (grpc.StatusCode.FAILED_PRECONDITION, True)


async def test_get_version_tells_its_place_in_the_routing_table(
    models: models_pb2_grpc.ModelServiceStub,
) -> None:
    """One version, as the list has it."""
    version = await models.GetVersion(models_pb2.GetVersionRequest(number=2))
    assert (version.number, version.is_stable, list(version.aliases)) == (2, True, ["latest"])
    assert not version.is_deleted
    version.ClearField("lineage")  # told of a single version only
    assert version == (await models.ListVersions(models_pb2.ListVersionsRequest())).versions[1]
