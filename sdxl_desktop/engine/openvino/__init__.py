"""The OpenVINO engine: runs SDXL in compiled parts. The only package with heavy imports."""
