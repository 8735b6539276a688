"""Creates the starter checkpoint: fetches pictures, composes scenes, trains, exports and evaluates a small SDXL."""
