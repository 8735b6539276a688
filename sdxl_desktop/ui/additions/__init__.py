"""LoRAs and embeddings in the window: the library's dialog, completion in prompts, and the token view."""
