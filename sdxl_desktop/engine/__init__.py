"""Image generation: the `Engine` protocol, the OpenVINO engine, the process it runs in, and a fake for UI tests.

Only `engine.openvino` and what it imports may load torch, diffusers, optimum or openvino.
"""
