"""How a picture is read, fitted, masked, blended and marked: arrays in, arrays out; numpy, Pillow and scipy only."""
