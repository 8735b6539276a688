"""Reads, fits, masks, blends and watermarks pictures: arrays in, arrays out; numpy, Pillow and scipy only."""
