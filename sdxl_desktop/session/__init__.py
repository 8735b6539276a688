"""What happens when I click: the queue, the verbs and what is remembered. No Qt."""
