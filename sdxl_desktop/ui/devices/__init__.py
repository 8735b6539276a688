"""Device dialogs: finding the best devices, the cache of compiled parts, and precompiling."""
