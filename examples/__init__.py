"""Small programs that use Polyhead: read them, copy them. Each runs by itself: `python examples/sync_service.py`."""
