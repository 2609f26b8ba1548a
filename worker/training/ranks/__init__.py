"""Several processes that train one model together, data-parallel: rank 0 leads, the others are its peers."""
