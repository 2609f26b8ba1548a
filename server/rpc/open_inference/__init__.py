"""The Open Inference Protocol (KServe v2) beside our own service: the same model, limits, queue and batches.

`v2` holds the stubs, generated from proto/open_inference.
"""
