"""Files of weights, read with bounds: what every reader must check before it allocates, in one place."""
