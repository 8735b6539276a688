"""The engine that draws, with SDXL in parts that OpenVINO has compiled. The only heavy imports."""
