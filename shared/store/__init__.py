"""The artifact store: files under fresh prefixes, and records that are created exclusively and never change.

The store is the truth; the queue is only a doorbell. See docs/decisions/0002-store.md.
"""
