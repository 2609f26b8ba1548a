"""Measurements against peers and against the raw limit, side by side in one run. Never part of the tests."""
