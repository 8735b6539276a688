"""Jobs that are done in processes of their own, which can be killed at any moment: imports, quantizations, downloads.

`parent` starts one and hears it, `child` is what it does for itself, `words` is what they say to each other.
"""
