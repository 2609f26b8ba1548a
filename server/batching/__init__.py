"""From sentences to batches: admission, the shared queue, and the choice of the next batch. Knows no gRPC."""
