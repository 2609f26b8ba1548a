"""Calls of the ModelService: what is served, which versions there are, and which answers whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from polyhead import model_requests, readers, requests, results
from polyhead.calls.connection import Connection
from polyhead.timeouts import check_optional_timeout
from polyhead.v1 import models_pb2


class ModelCalls(Connection):
    """The server, its versions, and changes of the routing table."""

    def server_info(self, *, timeout_s: float | None = None) -> results.ServerInfo:
        request = models_pb2.GetServerInfoRequest()
        return readers.read_server_info(self._call(self._models.GetServerInfo, request, timeout_s))

    def list_versions(self, limit: int = 50, *, timeout_s: float | None = None) -> list[results.Version]:
        """Published versions, newest first."""
        pages = requests.version_pages(limit)
        while not pages.is_full:
            request = models_pb2.ListVersionsRequest(**pages.next_page())
            pages.add(self._call(self._models.ListVersions, request, timeout_s))
        return [readers.read_version(version) for version in pages.items]

    def get_version(self, number: int, *, timeout_s: float | None = None) -> results.Version:
        request = model_requests.version_request(number)
        return readers.read_version(self._call(self._models.GetVersion, request, timeout_s))

    def promote(
        self,
        version: int,
        *,
        canary_share: float | None = None,
        resume_automatic: bool = False,
        request_id: str | None = None,
        why: str = "",
        by: str = "",
        timeout_s: float | None = None,
    ) -> results.Release:
        """Make a version stable; or, with `canary_share`, the canary with that share of the traffic (0: no longer).

        The server proves that the version loads, and has switched to it when this returns. Jobs that finish later are
        not released until a promotion with `resume_automatic`. With a `request_id` a repeated call is safe.

        Raises:
            NotFoundError: if there is no such version.
            FailedPreconditionError: if it was deleted, does not load, or cannot be that now; nothing has changed.
        """
        request = model_requests.promote_request(version, canary_share, resume_automatic, request_id, why, by)
        return readers.read_release(self._change(self._models.Promote, request, timeout_s))

    def rollback(
        self,
        version: int,
        *,
        request_id: str | None = None,
        why: str = "",
        by: str = "",
        timeout_s: float | None = None,
    ) -> results.Release:
        """Make a version stable that was stable before; aliases stay. Otherwise as `promote`."""
        request = model_requests.rollback_request(version, request_id, why, by)
        return readers.read_release(self._change(self._models.Rollback, request, timeout_s))

    def set_alias(
        self,
        alias: str,
        version: int | None,
        *,
        request_id: str | None = None,
        why: str = "",
        by: str = "",
        timeout_s: float | None = None,
    ) -> results.Release:
        """Point an alias to a version; None removes it. Otherwise as `promote`, but automatic releases go on."""
        request = model_requests.alias_request(alias, version, request_id, why, by)
        return readers.read_release(self._change(self._models.SetAlias, request, timeout_s))

    def watch_releases(self, after: int = 0, *, timeout_s: float | None = None) -> Iterator[results.Release]:
        """The releases after number `after` (0: the newest), and each new one, until you leave the loop."""
        request = model_requests.watch_releases_request(after)
        with self._lifetime.stream(self._models.WatchReleases, request, check_optional_timeout(timeout_s)) as call:
            for message in call:
                yield readers.read_release(message)

    def _change(
        self,
        method: Callable[..., models_pb2.Release],
        request: models_pb2.PromoteRequest | models_pb2.RollbackRequest | models_pb2.SetAliasRequest,
        timeout_s: float | None,
    ) -> models_pb2.Release:
        """Without a request id, doing it twice is two releases."""
        return self._call(method, request, timeout_s, is_repeatable=bool(request.request_id))
