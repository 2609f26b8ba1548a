"""Supervision: claims jobs, holds their leases, runs trainers as child processes. Imports no torch and no Celery."""
