"""Training: freezing, layer-wise rates, batches, the loop, evaluation, baselines. Plain code, no Celery.

`python -m worker.training` is the trainer process. Its parent, the supervisor, imports worker.training.protocol alone,
so this file imports nothing: torch enters only the process that computes with it.
"""
