"""Identify a file or folder of weights from names and shapes alone, without loading weights or executing code."""
