"""What the settings of both processes share: store and queue, refusing names that nobody reads, hiding passwords."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import InvalidInputError

#: https://www.iana.org/assignments/uri-schemes/prov/redis; those that both redis-py and Celery's transport know.
REDIS_SCHEMES = ("redis", "rediss")


class ProcessSettings(BaseSettings):
    """Each field is an environment variable of the same name in capitals. Frozen; read once, at the entry point."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, allow_inf_nan=False)

    #: A variable with this prefix that is no setting stops the start.
    PREFIX: ClassVar[str]

    store_url: str = Field(".polyhead/store", description="Folder (or file:// URL) of the store.")
    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"), description="Redis or Valkey that carries doorbell, leases and progress."
    )

    @field_validator("redis_url")
    @classmethod
    def _leads_to_redis(cls, url: SecretStr) -> SecretStr:
        if not _is_redis_url(url.get_secret_value()):
            # Neither the URL nor a part of it: what is taken for a port may be a piece of the password.
            raise ValueError(
                "must be redis://[:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// for TLS; "
                "in the password write / ? # @ : % as %2F %3F %23 %40 %3A %25"
            )
        return url

    def redacted(self) -> dict[str, Any]:
        """For the log: every setting as it was resolved, without the password in the URL."""
        shown = self.model_dump(mode="json", exclude={"redis_url"})
        return {**shown, "redis_url": redact_url(self.redis_url.get_secret_value())}

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read all settings.

        Raises:
            InvalidInputError: naming each variable that is unknown or has a value that does not fit.
        """
        refuse_unknown_names(cls.PREFIX, (name.upper() for name in cls.model_fields), environ)
        try:
            return cls()
        except ValidationError as error:
            complaints = (
                # What is wrong with several settings together has no place, and names them itself.
                ": ".join((*(str(name).upper() for name in e["loc"]), e["msg"].removeprefix("Value error, ")))
                for e in error.errors()
            )
            raise InvalidInputError("; ".join(complaints)) from None


def refuse_unknown_names(prefix: str, known: Iterable[str], environ: Mapping[str, str]) -> None:
    """Stop the start over a variable that looks like a setting and is none: it is most likely misspelt.

    But for those that Kubernetes gives to each container for a Service of the prefix's name.

    Raises:
        InvalidInputError: naming each one, and the setting that it resembles.
    """
    names = sorted(known)
    complaints = []
    for name in sorted(environ):
        if name.startswith(prefix) and name not in names and not _is_of_a_service(prefix, name, environ[name]):
            close = difflib.get_close_matches(name, names, n=1)
            complaints.append(f"{name} is no setting" + (f"; did you mean {close[0]}?" if close else ""))
    if complaints:
        raise InvalidInputError("; ".join(complaints) + f" Known settings: {', '.join(names)}")


def _is_of_a_service(prefix: str, name: str, value: str) -> bool:
    """SERVER_SERVICE_HOST, SERVER_PORT=tcp://..., SERVER_PORT_50051_TCP_ADDR and their like."""
    kinds = r"SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?"
    if re.fullmatch(rf"{prefix}(\w+_)?({kinds})", name):
        return True
    is_port = re.fullmatch(rf"{prefix}(\w+_)?PORT", name) is not None
    return is_port and re.match(r"(tcp|udp|sctp)://", value) is not None


def _is_redis_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises where it is no port
    except ValueError:
        return False
    is_database = re.fullmatch(r"/?|/[0-9]+/?", parts.path) is not None
    return parts.scheme in REDIS_SCHEMES and is_database and not parts.fragment


def redact_url(url: str) -> str:
    """The URL with its password replaced, for logs."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}"))
