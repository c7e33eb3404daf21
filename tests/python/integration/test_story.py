"""The story of a market ends, chapter by chapter, as it is written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.python.conftest import Command
from tests.python.integration.story import live_through, read_story, write_story

STORY = Path(__file__).with_name("story.txt")


@pytest.mark.slow
def test_the_story_is_told_as_it_is_written(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROPERTY_HOME", str(command.home))
    told: list[list[str]] = []
    if not STORY.exists():
        live_through(command.database_url, tmp_path, told.append)
        write_story(STORY, told)
        pytest.fail(f"{STORY.name} was missing and has been written: read it, and commit it when it is right")
    written = read_story(STORY)

    def compare(lines: list[str]) -> None:
        number = len(told)
        told.append(lines)
        expected = written[number] if number < len(written) else []
        differences = (sorted(set(lines) - set(expected)), sorted(set(expected) - set(lines)))
        assert differences == ([], []), f"chapter {number + 1}: told and not written, written and not told"
        assert lines == expected

    live_through(command.database_url, tmp_path, compare)
    assert len(told) == len(written)
