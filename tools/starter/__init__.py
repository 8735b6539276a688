"""Makes the starter checkpoint: fetches pictures, composes scenes, trains, exports and measures a small SDXL."""
