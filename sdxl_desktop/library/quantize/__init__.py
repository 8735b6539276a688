"""Makes smaller or faster checkpoints of OpenVINO checkpoints, and shows what that costs in pictures.

Planned and compared here; the quantization itself is done by `host` in a process of its own.
"""
