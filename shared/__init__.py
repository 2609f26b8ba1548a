"""What the server and the worker both need: model, artifact store, job records, text preparation, errors.

Imports neither of the two. Nothing here knows gRPC or Celery.
"""
