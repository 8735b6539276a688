"""How other programs record in a picture how it was made, read into one value."""
