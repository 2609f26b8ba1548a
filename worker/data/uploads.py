"""An uploaded file as a source of rows: its bytes come from the store, with the hash that the job spec names."""

from __future__ import annotations

from dataclasses import dataclass

from shared.errors import DataError, NotFoundError
from shared.spec import DatasetReference
from shared.store.datasets import DatasetStore


@dataclass(frozen=True, slots=True)
class UploadedSource:
    """Reads like worker.data.roots.Source."""

    reference: DatasetReference
    datasets: DatasetStore
    is_folder: bool = False

    @property
    def name(self) -> str:
        return self.reference.short

    @property
    def suffix(self) -> str:
        return "." + self.reference.name.rpartition(".")[2].lower() if "." in self.reference.name else ""

    def read(self) -> bytes:
        """
        Raises:
            DataError: if it is not in the store.
            StoreError: if it cannot be read, or has another hash.
        """
        try:
            return self.datasets.read(self.reference.sha256)
        except NotFoundError as error:
            raise DataError(f"{self.name}: {error}") from None
