"""The checkpoint library dialog: installed checkpoints, running jobs, and ways to add more."""
