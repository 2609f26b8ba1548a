"""Labelled text in: reading, cleaning, splitting, fetching and checking data sets.

The trainer calls `worker.data.loading.load_tasks`; people call `python -m worker.data fetch | check | split`.
Nothing here trains, tokenizes for training, or talks to the queue or the store.
"""
