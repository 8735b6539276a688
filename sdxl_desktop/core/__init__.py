"""Types shared by all packages: frozen values, events, errors and paths. Stdlib, numpy and Pillow only."""
