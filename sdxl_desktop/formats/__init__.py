"""Bounded reading of weight files: the checks that every reader must make before it allocates memory."""
