"""Creates docs/guide.md: every workflow, with the executed command line and the resulting pictures."""
