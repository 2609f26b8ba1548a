"""The gate: is a candidate good enough to replace the version that is served?

`verdict` and `rematch` import no torch and may be used by the Celery side; `judging` computes, in the trainer or in
`python -m worker.gate`, the process of a rematch.
"""
