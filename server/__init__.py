"""The async gRPC service: loads published models, batches, answers, reloads. Never imports the worker."""
