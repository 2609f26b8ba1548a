"""Paging: complete, without repeats, stable while the list grows."""

from __future__ import annotations

import pytest

from server.rpc.pages import page
from shared.errors import InvalidInputError


@pytest.mark.parametrize("total", [0, 1, 7, 10, 11])
def test_pages_cover_all_entries_once_newest_first(total: int) -> None:
    """A client that follows the tokens sees everything."""
    seen: list[int] = []
    token = ""
    while True:
        numbers, token = page(total, 5, token)
        seen += numbers
        if not token:
            break
    assert seen == list(range(total, 0, -1))


def test_page_after_list_grew_goes_on_where_it_was() -> None:
    """New entries come in at the top and must not shift the next page."""
    first, token = page(10, 5, "")
    second, _ = page(13, 5, token)
    assert [*first, *second] == list(range(10, 0, -1))


@pytest.mark.parametrize(("size", "token"), [(-1, ""), (501, ""), (5, "x"), (5, "-1"), (5, "٣"), (5, "9" * 30)])
def test_page_with_foreign_value_is_refused(size: int, token: str) -> None:
    """Sizes and tokens come from callers."""
    with pytest.raises(InvalidInputError):
        page(10, size, token)
