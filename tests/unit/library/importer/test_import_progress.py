"""An import reports one progress: downloads and conversion in one fraction, with the remaining time."""

from __future__ import annotations

from sdxl_desktop.library.importer.import_progress import ImportProgress, PhasedProgress


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_phases_count_by_the_time_they_should_take() -> None:
    reported: list[ImportProgress] = []
    journey = PhasedProgress(reported.append, [30, 0, 60])
    journey.start_phase(0)
    journey.update("downloading", "a", 50, 100, 0.5)
    journey.start_phase(2)
    journey.update("compressing", "unet", 0, 0, 0.5)
    journey.update("finishing", "", 0, 0, 1.0)
    assert [round(step.fraction, 2) for step in reported] == [0.17, 0.67, 1.0]


def test_it_never_falls_unless_something_was_wrong() -> None:
    reported: list[ImportProgress] = []
    journey = PhasedProgress(reported.append, [10])
    journey.start_phase(0)
    for within, fell in ((0.5, False), (0.4, False), (0.2, True), (0.3, False)):
        journey.update("downloading", "a", 0, 0, within, restarted=fell)
    assert [step.fraction for step in reported] == [0.5, 0.5, 0.2, 0.3]


def test_the_time_left_follows_the_pace_and_counts_what_is_still_to_come() -> None:
    reported: list[ImportProgress] = []
    clock = Clock()
    journey = PhasedProgress(reported.append, [10, 100], clock)
    journey.start_phase(0)
    journey.update("downloading", "a", 0, 0, 0.5)  # half of it was there before
    clock.now += 10
    journey.update("downloading", "a", 0, 0, 0.75)
    assert [step.seconds_left for step in reported] == [None, 10 + 100]
    journey.start_phase(1)
    journey.update("reading the network", "unet", 0, 0, 0.0, use_estimate=True)
    assert reported[-1].seconds_left == 100
