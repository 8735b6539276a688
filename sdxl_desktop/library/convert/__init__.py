"""Makes OpenVINO checkpoints of what `detect` found: planned here, done in a process of its own, one part at a time."""
