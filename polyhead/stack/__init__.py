"""Polyhead on one machine, for `polyhead up`, `polyhead demo` and the tests: see polyhead.stack.stack."""

from polyhead.stack.errors import StackError
from polyhead.stack.stack import Stack

__all__ = ["Stack", "StackError"]
