"""The page of checkpoints: what is there, what is being brought in, and what could be."""
