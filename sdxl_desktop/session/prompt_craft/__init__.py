"""Styles, presets, variants, wildcards and the history of prompts."""
