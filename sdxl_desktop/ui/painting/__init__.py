"""Painting on the canvas: tools, their bar, the mask's overlay, the brush's ring, and comparing before with after."""
