"""How a pooler in transaction mode is told from connections that keep their server process."""

from __future__ import annotations

import pytest

from scripts.doctor import shares_server_processes


@pytest.mark.parametrize(
    ("seen", "is_shared"),
    [
        ([(1, 2), (1, 2), (1, 2)], False),
        ([(1, 1), (1, 1), (1, 1)], True),  # One process serves both, as one is free whenever either asks.
        ([(1, 2), (3, 2), (1, 2)], True),
        ([(1, 2), (1, 3), (1, 2)], True),
        ([(1, 2), (2, 1), (1, 2)], True),
        ([(1, 2)], False),
    ],
)
def test_connections_that_swap_server_processes_are_pooled(seen: list[tuple[int, int]], is_shared: bool) -> None:
    assert shares_server_processes(seen) == is_shared
