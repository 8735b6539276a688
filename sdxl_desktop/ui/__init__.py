"""What does it look like? Qt widgets that show the session's state and pass on what the person does."""
