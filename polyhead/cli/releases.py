"""`polyhead models promote | rollback | alias | canary | watch`: changes of the routing table, and following it."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from polyhead.cli.exits import UsageError
from polyhead.cli.output import errors_out, out, print_json
from polyhead.cli.session import connect
from polyhead.cli.tables import releases_table
from polyhead.results import Release, ServerInfo

Version = Annotated[int, typer.Argument(min=1, help="The version's number; see `polyhead models list`.")]
Why = Annotated[str, typer.Option(help="The reason, for people who read the releases later.")]
RequestId = Annotated[
    str, typer.Option(help="Makes a repetition the same change: use your own where a script may run twice.")
]
Resume = Annotated[bool, typer.Option("--resume-automatic", help="Let finished jobs be released automatically again.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def promote(
    context: typer.Context,
    version: Version,
    resume_automatic: Resume = False,
    why: Why = "",
    request_id: RequestId = "",
    as_json: AsJson = False,
) -> None:
    """Make a version the stable one.

    It answers all requests that name nothing; a canary of another version keeps its share. The server proves
    first that it loads. Later jobs are kept but not released until a promotion with --resume-automatic.
    """
    with connect(context) as client:
        _report_stable(
            client.promote(version, resume_automatic=resume_automatic, request_id=request_id, why=why, by=_me()),
            as_json,
        )


def rollback(
    context: typer.Context, version: Version, why: Why = "", request_id: RequestId = "", as_json: AsJson = False
) -> None:
    """Go back to a version that was stable before.

    Aliases and canary stay where they are. Later jobs are kept but not released until a promotion with
    --resume-automatic.
    """
    with connect(context) as client:
        _report_stable(client.rollback(version, request_id=request_id, why=why, by=_me()), as_json)


def alias(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ALIAS", help="Such as eu, or batch-jobs.")],
    version: Annotated[int | None, typer.Argument(min=1, help="The version that it shall mean.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the alias.")] = False,
    why: Why = "",
    request_id: RequestId = "",
    as_json: AsJson = False,
) -> None:
    """Point an alias to a version, or remove it.

    For requests that name it: `polyhead models alias eu 3`, then `polyhead predict --model eu ...`.
    """
    if (version is None) is not remove:
        raise UsageError("name a version for the alias, or --remove it")
    with connect(context) as client:
        _report(client.set_alias(name, version, request_id=request_id, why=why, by=_me()), as_json)


def canary(
    context: typer.Context,
    version: Version,
    share: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Its share of the traffic, such as 0.05.")
    ] = None,
    end: Annotated[bool, typer.Option("--end", help="End the canary.")] = False,
    resume_automatic: Resume = False,
    why: Why = "",
    request_id: RequestId = "",
    as_json: AsJson = False,
) -> None:
    """Try a version on a share of the traffic.

    For example `polyhead models canary 4 --share 0.05`. Requests of one routing key always meet the
    same version; requests that name a version or an alias never meet it.
    """
    if (share is None) is not end:
        raise UsageError("give the canary a --share, or --end it")
    with connect(context) as client:
        release = client.promote(
            version,
            canary_share=0.0 if end else share,
            resume_automatic=resume_automatic,
            request_id=request_id,
            why=why,
            by=_me(),
        )
        _report(release, as_json)
        if release.canary and not as_json:
            for line in canary_notes(client.server_info()):
                errors_out.print(f"note: {line}", soft_wrap=True)


def watch(
    context: typer.Context,
    after: Annotated[int, typer.Option(min=0, help="Begin after this release; 0: with the newest.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Follow the releases until interrupted.

    Prints the newest one and each that follows. With --json: one line of JSON for each.
    """
    with connect(context) as client:
        for release in client.watch_releases(after):
            if as_json:
                print_json(release, indent=None)
            else:
                out.print(_line(release), soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add the commands to `polyhead models`."""
    for command in (promote, rollback, alias, canary, watch):
        app.command()(command)


def canary_notes(info: ServerInfo) -> list[str]:
    """Which requests never meet the canary, because stable alone can answer them."""
    by_role = {role: state for state in info.models for role in state.roles}
    stable, canary = by_role.get("stable"), by_role.get("canary")
    if stable is None or canary is None:
        return []
    notes = []
    if lacking := sorted({task.name for task in stable.tasks} - {task.name for task in canary.tasks}):
        shown = ", ".join(lacking)
        notes.append(f"version {canary.version} lacks {shown}: requests for that, or for all tasks, stay with stable")
    if canary.encoder_id != stable.encoder_id:
        notes.append(
            f"version {canary.version} has another encoder than stable: requests for embeddings meet it only with a "
            "routing key, so that nobody's vectors become a mixture"
        )
    return notes


def _report_stable(release: Release, as_json: bool) -> None:
    """Of a change that leaves the canary, if there is one, as it is."""
    _report(release, as_json)
    if release.canary and not as_json:
        version, share = release.canary.version, release.canary.share
        errors_out.print(
            f"canary: version {version} still gets {100 * share:g} % of the traffic; end it with "
            f"`polyhead models canary {version} --end`",
            soft_wrap=True,
        )


def _report(release: Release, as_json: bool) -> None:
    if as_json:
        print_json(release)
        return
    out.print(releases_table([release]))
    if release.hold:
        errors_out.print(
            "note: automatic releases are on hold; `polyhead models promote "
            f"{release.stable} --resume-automatic` lets them go on"
        )


def _line(release: Release) -> str:
    aliases = "".join(f" · {name} {version}" for name, version in release.aliases.items())
    canary = f" · canary {release.canary.version} ({release.canary.share:.0%})" if release.canary else ""
    hold = " · on hold" if release.hold else ""
    by = f" (by {release.by})" if release.by else ""
    return f"release {release.number} · stable {release.stable}{aliases}{canary}{hold} · {release.why}{by}"


def _me() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return "polyhead"
