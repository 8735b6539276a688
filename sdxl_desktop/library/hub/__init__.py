"""Brings checkpoints from the Hugging Face hub: a process of its own asks and downloads, and can be killed any time."""
