"""The trainer against the Hugging Face Trainer, the reference project's set-up and a naive loop, on the same rows.

Every side runs in a process of its own, one after another; where it matters they alternate, since machines drift.
"""
