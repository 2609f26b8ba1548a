"""Records: small JSON documents that are created exclusively and never change.

Each carries a schema version, which an older reader refuses with a reason, and a random writer id, so that a writer
who is told "exists" can read back and see whether it was itself (a retried request whose first answer was lost).
"""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import SchemaVersionError, StoreError
from shared.store.folder import FolderStore


def now() -> str:
    """The present moment as ISO 8601 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def new_id() -> str:
    """A random id: 16 hexadecimal digits."""
    return secrets.token_hex(8)


class Record(BaseModel):
    """Base of all records. A subclass sets SCHEMA and raises it when an older reader would misread it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    SCHEMA: ClassVar[int] = 1

    writer: str = Field(default_factory=new_id)
    created_at: str = Field(default_factory=now)

    def to_bytes(self) -> bytes:

        body: dict[str, Any] = {"schema": self.SCHEMA, **self.model_dump(mode="json")}
        return json.dumps(body, ensure_ascii=False, indent=1).encode() + b"\n"

    @classmethod
    def from_bytes(cls, body: bytes, key: str) -> Self:
        """Parse a stored record.

        Raises:
            SchemaVersionError: if it was written by a newer code.
            StoreError: if it is not such a record at all.
        """

        try:
            fields = json.loads(body)
            schema = fields.pop("schema")
        except (ValueError, AttributeError, KeyError, TypeError):
            raise StoreError(f"{key} is not a record: no JSON object with a schema version") from None
        if schema != cls.SCHEMA:
            raise SchemaVersionError(f"{key} has schema version {schema!r}; this code knows {cls.SCHEMA}")
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise StoreError(f"{key} is not a valid {cls.__name__}: {error}") from None


def create_record(store: FolderStore, key: str, record: Record) -> bool:
    """Create `record` under `key`; True if this writer's record is the one that stands there."""
    if store.create(key, record.to_bytes()):
        return True
    return type(record).from_bytes(store.get(key), key).writer == record.writer
