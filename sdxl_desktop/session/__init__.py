"""Application logic without Qt: the queue, the operations of the window and command line, and saved state."""
