"""The queue: a value with its operations, the order in which it is drawn, and its files."""
