"""Measures the difference of our engine and its peers from diffusers in torch, and writes docs/parity.md."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # read when the hub's library is imported
