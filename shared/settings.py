"""What the settings of both processes share: store and queue, refusing names that nobody reads, hiding passwords."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import InvalidInputError


class ProcessSettings(BaseSettings):
    """Each field is an environment variable of the same name in capitals. Frozen; read once, at the entry point."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    #: A variable with this prefix that is no setting stops the start.
    PREFIX: ClassVar[str]

    store_url: str = Field(".polyhead/store", description="Folder (or file:// URL) of the store.")
    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"), description="Redis or Valkey that carries doorbell, leases and progress."
    )

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
            complaints = (f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
            raise InvalidInputError("; ".join(complaints)) from None


def refuse_unknown_names(prefix: str, known: Iterable[str], environ: Mapping[str, str]) -> None:
    """Stop the start over a variable that looks like a setting and is none: it is most likely misspelt.

    Raises:
        InvalidInputError: naming each one, and the setting that it resembles.
    """
    names = sorted(known)
    complaints = []
    for name in sorted(environ):
        if name.startswith(prefix) and name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            complaints.append(f"{name} is no setting" + (f"; did you mean {close[0]}?" if close else ""))
    if complaints:
        raise InvalidInputError("; ".join(complaints) + f" Known settings: {', '.join(names)}")


def redact_url(url: str) -> str:
    """The URL with its password replaced, for logs."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}"))
