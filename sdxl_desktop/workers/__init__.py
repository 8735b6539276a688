"""Worker processes, which can be killed at any time: generation, imports, quantization, downloads, benchmarks.

`process` starts a worker and communicates with it, `worker_main` is the worker's side, `protocol` defines the message
format. `jobs` is for workers that do one job and exit; `progress` and `memory` are helpers for jobs.
"""
