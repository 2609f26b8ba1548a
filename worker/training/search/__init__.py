"""Search: trials of one job with other values of its spec, one after another in the trainer's process."""
