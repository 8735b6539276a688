"""The vocabulary every other package speaks: frozen values, events, errors and paths. Stdlib, numpy and Pillow only."""
