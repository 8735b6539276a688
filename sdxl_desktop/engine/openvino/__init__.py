"""The engine that draws: optimum-intel's SDXL pipelines over compiled OpenVINO parts. The only heavy imports."""
