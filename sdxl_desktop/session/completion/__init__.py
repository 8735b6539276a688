"""Completion in prompts: what is being typed, what fits it, and the text that is inserted."""
