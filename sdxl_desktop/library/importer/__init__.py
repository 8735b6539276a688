"""Import models from any source into the library: preview, download, convert and install."""
