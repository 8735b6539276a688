"""How work crosses threads: `background` does it, the engine's and the library's thread are made of it. No widgets."""
