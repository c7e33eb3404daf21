"""Tables show every cell whole, however narrow the terminal."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from rich.console import Console

from scripts import console

COLUMNS = ("session", "source", "observed at", "active", "rejected", "error")
NOTE = "the price column was empty in most rows"
ROW = ("a6c79aac", "dutch_feed", datetime(2024, 5, 31, 6, 30, tzinfo=UTC), 23699, 120000, NOTE)


@pytest.mark.parametrize("width", [20, 60, 80, 200])
def test_no_number_id_or_time_is_cut(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = Console(width=width, highlight=False, record=True, quiet=False)
    monkeypatch.setattr(console, "output", narrow)
    console.show(console.table("Recent", COLUMNS, [ROW]))
    shown = narrow.export_text()
    for cell in ("a6c79aac", "dutch_feed", "2024-05-31 06:30", "23699", "120000", *COLUMNS):
        assert cell in shown
    assert set(NOTE.split()) <= set(shown.split())


def test_scraped_text_is_no_markup() -> None:
    terminal = Console(width=80, record=True)
    terminal.print(console.table("", ("title",), [("[red]A flat[/red] :house:",)]))
    assert "[red]A flat[/red] :house:" in terminal.export_text()


def test_a_long_fact_is_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = Console(width=40, highlight=False, record=True)
    monkeypatch.setattr(console, "output", narrow)
    url = "postgresql://reader@/property_manager?host=/var/lib/property_manager/socket&port=5432"
    console.show(console.facts("Server", [("url", url)]))
    assert url in "".join(line.strip().removeprefix("url").strip() for line in narrow.export_text().splitlines()[1:])
