"""Brings anything into the library by one road: looked up first, then downloaded, converted and put in its place."""
