"""Says what a file or folder of weights is, from names and shapes alone: nothing heavy is loaded, nothing is run."""
