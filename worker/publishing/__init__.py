"""Publishing: from a job's result to a version and a release; the base encoder's first version.

`python -m worker.publishing` computes what needs torch, in a process of its own. The rest imports no torch.
"""
