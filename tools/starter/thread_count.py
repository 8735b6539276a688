"""The number of CPU threads while training shares the machine: two starve each other if one core is taken."""

import time

import torch


class ThreadCount:
    """Periodically times one step with the other number of threads, and keeps the faster number."""

    PROBE_EVERY = 40

    def __init__(self, most: int) -> None:
        self.most, self.current, self.steps = most, most, 0
        self.took: dict[int, float] = {}
        self.began = time.monotonic()
        torch.set_num_threads(most)

    def step_done(self) -> None:
        """Call this after every step."""
        now = time.monotonic()
        self.took[self.current] = now - self.began
        self.began = now
        self.steps += 1
        place = self.steps % self.PROBE_EVERY
        if place == 0:
            self.current = 1 if self.current > 1 else self.most
        elif place == 1:
            self.current = min(self.took, key=lambda count: self.took[count])
        torch.set_num_threads(self.current)
