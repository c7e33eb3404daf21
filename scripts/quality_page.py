"""The quality report of one session as one HTML page: no script, no network, drawings as SVG, everything escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from loaders.errors import UsageError

_CITIES_SHOWN = 12
_LABELS_ON_MAP = 8
_KM_PER_DEGREE = 111.195
_NO_VALUE = "–"

_SCORE_MEANINGS = {
    "completeness": "fields that are filled, by their weight",
    "validation": "listings that break no rule, by severity",
    "uniqueness": "rows that repeat no listing",
    "freshness": "published soon enough after observation",
    "geography": "plausible places, spread as widely as usual",
}


def write_page(report: dict[str, Any], file: Path) -> None:
    """Write the report to a file; UsageError where that is impossible."""
    try:
        file.write_text(page(report), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written: {error.strerror or error}", "Give --html a file in a folder that exists."
        ) from error


def page(report: dict[str, Any]) -> str:
    """The report, in the shape of `quality_report`, as an HTML document."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(percent=percent, number=number, moment=moment, words=words, against=against)
    return templates.get_template("quality_report.html").render(
        report,
        session=report["session"],
        meanings=_SCORE_MEANINGS,
        ring=2 * math.pi * 52,
        fields=[field for field in report["fields"] if field["weight"] > 0 or (field["fill_rate"] or 0) > 0],
        cities=_cities(report["geography"]),
        map=_map(report["geography"]),
        chart=_trend(report["trend"]),
        checks=_worst_first(report["checks"]),
    )


def percent(share: float | None) -> str:
    """A share as people write it: 0.98 → `98 %`, 0.0312 → `3.1 %`; a dash where it is not known."""
    if share is None:
        return _NO_VALUE
    rounded = round(100 * share, 1)
    return f"{rounded:.0f}\u202f%" if rounded == round(rounded) else f"{rounded:.1f}\u202f%"


def number(value: float | None, digits: int = 0) -> str:
    """A number with thousands set apart; a dash where it is not known."""
    return _NO_VALUE if value is None else f"{value:,.{digits}f}"


def moment(value: datetime | None) -> str:
    """A time in UTC to the minute."""
    return _NO_VALUE if value is None else f"{value:%Y-%m-%d %H:%M}"


def words(name: str) -> str:
    """A name as people read it."""
    return name.replace("_", " ")


def against(score: float | None, usual: float | None) -> str:
    """How a score stands beside the usual one, in percentage points."""
    if score is None or usual is None:
        return "nothing to compare with"
    points = round(100 * (score - usual), 1)
    if abs(points) < 0.1:
        return "as usual"
    return f"{'▲' if points > 0 else '▼'} {abs(points):.1f} points {'above' if points > 0 else 'below'} usual"


def _worst_first(checks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    order = ("fail", "warn", "pass", "skip")
    return sorted(checks, key=lambda check: order.index(check["verdict"]) if check["verdict"] in order else 0)


def _cities(geography: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The largest cities with their share of the listings that name one, and the others as one."""
    if not geography or not geography["with_city_count"]:
        return []
    total = geography["with_city_count"]
    shown = geography["cities"][:_CITIES_SHOWN]
    rows = [{"city": row["city"], "listings": row["listings"]} for row in shown]
    rest = total - sum(row["listings"] for row in rows)
    if rest:
        rows.append({"city": f"{geography['city_count'] - len(rows)} others", "listings": rest})
    largest = max(row["listings"] for row in rows)
    return [{**row, "share": row["listings"] / total, "length": row["listings"] / largest} for row in rows]


def _map(geography: dict[str, Any] | None) -> dict[str, Any] | None:
    """Dots on an equirectangular map, true to scale at its middle latitude, with a margin for dots and names."""
    if not geography or not geography["map_points"]:
        return None
    frame = geography["frame"]
    stretch = math.cos(math.radians((frame["south"] + frame["north"]) / 2))
    width = max((frame["east"] - frame["west"]) * stretch, 0.02)
    height = max(frame["north"] - frame["south"], 0.02)
    width, height = max(width, height * 0.6), max(height, width * 0.45)
    west = ((frame["east"] + frame["west"]) * stretch - width) / 2
    north = (frame["north"] + frame["south"] + height) / 2
    scale, margin = 1000 / max(width, height), 70

    def place(latitude: float, longitude: float) -> tuple[float, float]:
        return round(margin + (longitude * stretch - west) * scale, 1), round(margin + (north - latitude) * scale, 1)

    points = geography["map_points"]
    largest = points[0][2]
    base = max(3.5, min(9.0, 170 / math.sqrt(len(points))))
    dots = [
        (*place(latitude, longitude), round(base * (1 + 2.2 * math.sqrt((count - 1) / largest)), 1), count)
        for latitude, longitude, count in points
    ]
    box = (round(width * scale) + 2 * margin, round(height * scale) + 2 * margin)
    bar_km = _round_length(0.3 * max(width, height) * _KM_PER_DEGREE)
    return {
        "width": box[0],
        "height": box[1],
        "dots": dots,
        "largest": largest,
        "labels": _labels(geography["cities"], dots, place, box),
        "bar_km": bar_km,
        "bar_share": bar_km / _KM_PER_DEGREE * scale / box[0],
    }


def _labels(
    cities: Sequence[dict[str, Any]], dots: Sequence[tuple[float, ...]], place: Any, box: tuple[int, int]
) -> list[dict[str, Any]]:
    """Names of large cities beside their dots that do not cover each other, by place in percent.

    Strays move the mean place of a city away from its dots; such a city stays without a name.
    """
    labels: list[dict[str, Any]] = []
    for city in cities:
        if city.get("latitude") is None or len(labels) == _LABELS_ON_MAP:
            continue
        x, y = place(city["latitude"], city["longitude"])
        left, top = 100 * x / box[0], 100 * y / box[1]
        has_dot = any(abs(x - dot[0]) < 30 and abs(y - dot[1]) < 30 for dot in dots)
        is_free = all(abs(left - other["left"]) > 20 or abs(top - other["top"]) > 7 for other in labels)
        if 4 <= left <= 96 and 2 <= top <= 97 and has_dot and is_free:
            labels.append({"city": city["city"], "left": round(left, 1), "top": round(top, 1)})
    return labels


def _round_length(kilometres: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is not longer."""
    power = 10 ** math.floor(math.log10(kilometres))
    return max(step * power for step in (1, 2, 5) if step * power <= kilometres)


def _trend(sessions: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Lines over sessions in a box of 1000 × 100 that is stretched to fit; the lines break where nothing is known."""
    if not sessions:
        return None
    step = 1000 / max(len(sessions), 2)

    def x(position: int) -> float:
        return round(step * (position + 0.5) if len(sessions) > 1 else 500, 1)

    lines = {}
    for name in ("overall", "completeness", "validation"):
        values = [session[f"{name}_score"] for session in sessions]
        path, is_drawing = [], False
        for position, value in enumerate(values):
            if value is not None:
                path.append(f"{'L' if is_drawing else 'M'}{x(position)} {100 - 100 * value:.1f}")
            is_drawing = value is not None
        dots = [(x(i), round(100 - 100 * value, 1)) for i, value in enumerate(values) if value is not None]
        lines[name] = {"path": " ".join(path), "dots": dots}
    most = max((session["observed_count"] or 0 for session in sessions), default=0) or 1
    bars = [
        {
            "x": round(x(i) - step * 0.3, 1),
            "width": round(step * 0.6, 1),
            "height": round(100 * (session["observed_count"] or 0) / most, 1),
            "title": f"{moment(session['observed_at'])}: {number(session['observed_count'])}",
            "is_good": bool(session["may_remove"]) and session["session_status"] in ("published", "complete"),
        }
        for i, session in enumerate(sessions)
    ]
    return {"lines": lines, "bars": bars, "most": most, "sessions": sessions}
