"""The figures of one task's rows: a module for each kind of task, and what is the same for all kinds.

Owns names and meaning of the figures. Which classifier is scored on which rows is worker.training.evaluate.
"""
