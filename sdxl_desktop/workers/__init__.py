"""Work in processes of its own, which can be killed at any moment: drawing, imports, quantizing, downloads, benchmarks.

`process` starts a worker and talks to it, `worker_main` is the worker's own side, `protocol` is the form of every
message between them. `jobs` is for workers that do one thing and end; `progress` and `memory` are for what they do.
"""
