"""Grids of pictures in the window: the dialog, and the work in progress."""
