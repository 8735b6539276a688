"""Changes to a checkpoint's parts before they are compiled: LoRAs fused into them, another VAE."""
