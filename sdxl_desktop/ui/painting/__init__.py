"""Painting on the canvas: tools, tool bar, mask overlay, brush cursor, and the before/after comparison."""
