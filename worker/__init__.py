"""The worker: takes jobs, trains, evaluates, publishes. Imports nothing of the server and speaks no gRPC."""
