"""Metadata of pictures: the request that made them, stored in their files."""
