"""What pictures record about how they were made, and its use in the panels."""
