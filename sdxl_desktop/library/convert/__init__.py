"""Convert the models that `detect` identifies to OpenVINO: planned here, run in a worker process, part by part."""
