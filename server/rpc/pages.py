"""Paging of lists that only grow, newest first. Pure.

Entries are numbered from 1, oldest first, so a page that starts below number n stays the same when new ones arrive.
"""

from __future__ import annotations

from shared.errors import InvalidInputError, Violation

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 500


def page(total: int, page_size: int, page_token: str) -> tuple[range, str]:
    """Numbers of the entries on the page, newest first, and the token of the next page (empty: none).

    Raises:
        InvalidInputError: if size or token is not one that this server gives out.
    """
    violations = []
    if not 0 <= page_size <= MAX_PAGE_SIZE:
        hint = f"is {page_size}; use 0 for {DEFAULT_PAGE_SIZE}, or 1 to {MAX_PAGE_SIZE}"
        violations.append(Violation("page_size", hint))
    if page_token and not (page_token.isascii() and page_token.isdigit() and len(page_token) < 10):
        hint = f"is {page_token!r}; use the next_page_token of the page before, unchanged"
        violations.append(Violation("page_token", hint))
    if violations:
        raise InvalidInputError("; ".join(f"{v.field} {v.description}" for v in violations), tuple(violations))
    newest = min(int(page_token), total) if page_token else total
    oldest = max(newest - (page_size or DEFAULT_PAGE_SIZE), 0)
    return range(newest, oldest, -1), str(oldest) if oldest else ""
