"""Which checkpoints do I have?"""
