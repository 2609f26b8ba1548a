"""What can go wrong with a stack on this machine."""

from polyhead.errors import PolyheadError


class StackError(PolyheadError):
    """A process of the stack did not start, or ended by itself; the message names its log."""
