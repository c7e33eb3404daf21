"""Tests that share a module's fixture run in one process: what names a group keeps its name on the way there."""

from __future__ import annotations

import os

import pytest


@pytest.mark.xdist_group("example")
@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="this run has one process")
def test_a_group_is_part_of_what_is_handed_out(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("loadgroup"):
        pytest.skip("this run is handed out without groups")
    assert request.node.nodeid.endswith("@example")
