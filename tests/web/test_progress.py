"""When a client that catches up is told how far it has come."""

import pytest

from server.web.progress import INTERVAL, MOMENT, Progress


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([(0.1, 8)], [""]),  # too early
        ([(INTERVAL, 8)], ['{"done": 2097152, "left": 8388608}']),
        ([(INTERVAL, 0)], [""]),  # it has caught up
        ([(0.2, 8), (0.2, 6), (0.2, 5)], ["", "", '{"done": 5242880, "left": 5242880}']),
        # more has come than was read
        ([(INTERVAL, 12)], ['{"done": 0, "left": 12582912}']),
        (
            [(INTERVAL, 7), (INTERVAL, 9), (INTERVAL, 2)],
            [
                '{"done": 3145728, "left": 7340032}',
                '{"done": 3145728, "left": 9437184}',
                '{"done": 10485760, "left": 2097152}',
            ],
        ),
    ],
)
def test_a_client_that_is_far_behind_is_told_twice_a_second(
    steps: list[tuple[float, int]], told: list[str]
) -> None:
    now, left = 0.0, 10 * MOMENT
    progress = Progress(lambda: left, lambda: now)
    for (seconds, behind), data in zip(steps, told, strict=True):
        now, left = now + seconds, behind * MOMENT
        event = f"event: progress\ndata: {data}\n\n" if data else ""
        assert progress.note().decode() == event
