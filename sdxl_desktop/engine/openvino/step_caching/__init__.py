"""Step caching: the UNet's deep feature kept from step to step, by cutting its graph in two."""
