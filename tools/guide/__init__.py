"""Makes docs/guide.md: every workflow, with the command line that was run and the pictures that came out."""
