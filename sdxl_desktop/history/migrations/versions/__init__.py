"""The revisions, in modules of their own. A revision is never changed after its release: a new one follows it."""
