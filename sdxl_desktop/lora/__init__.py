"""Reads LoRAs and related adapters and matches them to a checkpoint's layers: the engine adds them to graphs, an import
fuses one into a UNet."""
