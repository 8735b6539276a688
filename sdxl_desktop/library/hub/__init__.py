"""Download checkpoints from the Hugging Face hub in a worker process that can be killed at any time."""
