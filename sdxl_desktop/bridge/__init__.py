"""How work crosses threads: one QThread that drives an engine. QtCore only."""
