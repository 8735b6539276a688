"""Step caching: reuses the UNet's deep feature in later steps, by cutting its graph in two."""
