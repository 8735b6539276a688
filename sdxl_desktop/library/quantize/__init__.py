"""Quantize OpenVINO checkpoints to make them smaller or faster, and compare the resulting images.

Planning and comparison happen here; a worker process does the quantization.
"""
