"""Where parts run: finding the best devices, what is kept compiled, and compiling ahead."""
