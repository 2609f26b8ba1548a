"""Quality on TweetEval's own test files: one model for three tasks beside three models and published figures.

Four steps, each a command of its own (`python -m benchmarks.quality --help`): data, train, test, table. Training is
long; a run whose result stands in the store is not run again, so an interrupted `train` goes on with the next. The test
files are read by `test` alone, which appends every look to docs/results/quality-log.jsonl.
"""
