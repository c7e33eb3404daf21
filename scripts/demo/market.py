"""A housing market that evolves day by day, the same for the same seed, and says what happened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from random import Random
from zlib import crc32

from scripts.demo.advert import Advert
from scripts.demo.homes import (
    moved_price,
    new_advert,
    new_description,
    new_year_built,
    relisted,
    without_typo,
)

FIRST_DATE = date(2025, 3, 3)
"""The calendar date of day 1."""

_SHARE_LEAVING = 0.065
_SHARE_CREATED = 0.04
_SHARE_CREATED_WHEN_FULL = 0.01
_SHARE_CUT = 0.06
_SHARE_RAISED = 0.01
_SHARE_MENDED = 0.2


class EventKind(StrEnum):
    """What can happen to an advert from one day to the next."""

    CREATED = "created"
    RELISTED = "relisted"
    ABSENT = "absent"
    RETURNED = "returned"
    PRICE_CHANGED = "price_changed"
    TYPO_FIXED = "typo_fixed"
    FIELD_COMPLETED = "field_completed"
    NOISE = "noise"


class Availability(StrEnum):
    """What the portal knows of a listing id on one day."""

    ONLINE = "online"
    SOLD = "sold"
    GONE = "gone"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to one listing since the day before. See `Market.events` for the details."""

    kind: EventKind
    source_listing_id: str
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Fate:
    """Why an advert leaves, and after how many days it comes back (0: never)."""

    reason: str
    days_away: int = 0


_FATES = (
    _Fate("paused", 2),
    _Fate("paused", 1),
    _Fate("sold"),
    _Fate("paused", 2),
    _Fate("relisted", 2),
    _Fate("withdrawn"),
    _Fate("paused", 1),
    _Fate("paused", 2),
    _Fate("relisted", 2),
    _Fate("paused", 5),
)
"""Dealt out in turn, so that even a small market has some of each every day."""


@dataclass(frozen=True, slots=True)
class _ComingBack:
    advert: Advert
    fate: _Fate


class Market:
    """`days` days of a market of about `size` adverts. Day 1 is the first; fewer days give the same start.

    From one day to the next about 6.5 % of the adverts leave: one in five for good, the others return after
    one, two or five days, or as a new advert of the same flat. Up to 4 % are new, 6 % cost 1 to 8 % less, 1 %
    cost more, a few texts are corrected or completed, and the rest changes in ways that mean nothing.
    """

    def __init__(self, seed: int = 7, size: int = 150, days: int = 5) -> None:
        """Raises `ValueError` for fewer than 20 adverts or less than one day."""
        if size < 20 or days < 1:
            raise ValueError(f"A market needs at least 20 adverts and 1 day, not {size} and {days}.")
        self.seed, self.size, self.days = seed, size, days
        self._rng = Random(f"market {seed}")
        self._next_number = 0
        self._coming_back: dict[int, list[_ComingBack]] = {}
        self._sold_on: dict[str, int] = {}
        first = dict(self._new_adverts(1, size, max_age_days=180))
        self._adverts: list[dict[str, Advert]] = [first]
        self._events: list[list[Event]] = [[Event(EventKind.CREATED, identifier) for identifier in first]]
        for day in range(2, days + 1):
            self._evolve(day)

    def date_of(self, day: int) -> date:
        """The calendar date of a day."""
        return FIRST_DATE + timedelta(days=day - 1)

    def listings_on(self, day: int) -> list[Advert]:
        """The adverts on the market that day as published, newest first."""
        return [self.listing_on(day, identifier) for identifier in self.ids_on(day)]

    def ids_on(self, day: int) -> list[str]:
        """The ids on the market that day, newest first."""
        adverts = self._on(day).values()
        newest_first = sorted(adverts, key=lambda a: (-a.listed_at.toordinal(), a.source_listing_id))
        return [advert.source_listing_id for advert in newest_first]

    def listing_on(self, day: int, source_listing_id: str) -> Advert:
        """One advert as published that day, or as last published before; `KeyError` when it never was."""
        for earlier in range(day, 0, -1):
            if source_listing_id in self._on(earlier):
                return _as_published(self._on(earlier)[source_listing_id], self.seed, day)
        raise KeyError(source_listing_id)

    def availability(self, day: int, source_listing_id: str) -> Availability:
        """Whether an id is online that day, was once, or is not known yet."""
        if source_listing_id in self._on(day):
            return Availability.ONLINE
        if self._sold_on.get(source_listing_id, self.days + 1) <= day:
            return Availability.SOLD
        was_online = any(source_listing_id in self._on(earlier) for earlier in range(1, day))
        return Availability.GONE if was_online else Availability.UNKNOWN

    def absences(self, day: int) -> dict[str, int]:
        """Listings seen before but not that day → days in a row without them, that day included."""
        absent: dict[str, int] = {}
        for earlier in range(1, day):
            for identifier in self._on(earlier).keys() - self._on(day).keys():
                absent[identifier] = day - earlier
        return absent

    def events(self, day: int) -> list[Event]:
        """What happened since the day before; on day 1 everything is `created`.

        | kind | details |
        |---|---|
        | `created` | first time on the market |
        | `relisted` | first time under this id: `previous_id`, `old`, `new` price |
        | `absent` | there yesterday, not today: `reason` sold, withdrawn, paused or relisted |
        | `returned` | there before, not yesterday, today again: `absent_days` |
        | `price_changed` | `old`, `new`; also beside `returned`, against the price before it left |
        | `typo_fixed`, `field_completed` | `field`, `old`, `new` |
        | `noise` | nothing but `fields` differs, in ways that are no change |

        A listing has one event a day, except `returned` with `price_changed`.
        """
        self._on(day)
        return [*self._events[day - 1], *self._noise(day)]

    def _on(self, day: int) -> dict[str, Advert]:
        if not 1 <= day <= self.days:
            raise ValueError(f"Day {day} is outside this market; it has days 1 to {self.days}.")
        return self._adverts[day - 1]

    def _noise(self, day: int) -> Iterator[Event]:
        if day == 1:
            return
        for identifier, advert in self._on(day).items():
            if self._on(day - 1).get(identifier) is advert:
                before = _as_published(advert, self.seed, day - 1)
                after = _as_published(advert, self.seed, day)
                fields = ("images",) if before.amenities == after.amenities else ("amenities", "images")
                yield Event(EventKind.NOISE, identifier, {"fields": fields})

    def _evolve(self, day: int) -> None:
        yesterday = self._adverts[-1]
        today = dict(yesterday)
        shuffled = list(yesterday.values())
        self._rng.shuffle(shuffled)
        undecided = iter(shuffled)
        events = [
            *self._let_leave(day, today, _take(undecided, _SHARE_LEAVING, len(yesterday))),
            *self._move_prices(today, _take(undecided, _SHARE_CUT, len(yesterday)), -0.08, -0.01),
            *self._move_prices(today, _take(undecided, _SHARE_RAISED, len(yesterday)), 0.01, 0.04),
            *self._mend(today, undecided),
            *self._let_return(day, today),
        ]
        share = _SHARE_CREATED if len(today) < self.size else _SHARE_CREATED_WHEN_FULL
        for identifier, advert in self._new_adverts(day, max(1, round(self.size * share)), max_age_days=0):
            today[identifier] = advert
            events.append(Event(EventKind.CREATED, identifier))
        self._adverts.append(today)
        self._events.append(events)

    def _new_adverts(self, day: int, count: int, max_age_days: int) -> Iterator[tuple[str, Advert]]:
        for _ in range(count):
            advert = new_advert(self._rng, self._take_number(), self.date_of(day), max_age_days)
            yield advert.source_listing_id, advert

    def _take_number(self) -> int:
        self._next_number += 1
        return self._next_number

    def _let_leave(self, day: int, today: dict[str, Advert], leaving: list[Advert]) -> Iterator[Event]:
        for turn, advert in enumerate(leaving):
            fate = _FATES[turn % len(_FATES)]
            del today[advert.source_listing_id]
            if fate.days_away:
                self._coming_back.setdefault(day + fate.days_away, []).append(_ComingBack(advert, fate))
            if fate.reason == "sold":
                self._sold_on[advert.source_listing_id] = day
            yield Event(EventKind.ABSENT, advert.source_listing_id, {"reason": fate.reason})

    def _let_return(self, day: int, today: dict[str, Advert]) -> Iterator[Event]:
        for turn, coming in enumerate(self._coming_back.pop(day, [])):
            advert = coming.advert
            if coming.fate.reason == "relisted":
                again = relisted(self._rng, advert, self._take_number(), self.date_of(day))
                details = {"previous_id": advert.source_listing_id, "old": advert.price, "new": again.price}
                today[again.source_listing_id] = again
                yield Event(EventKind.RELISTED, again.source_listing_id, details)
                continue
            today[advert.source_listing_id] = advert
            yield Event(EventKind.RETURNED, advert.source_listing_id, {"absent_days": coming.fate.days_away})
            if turn % 2 == 0:
                yield from self._move_prices(today, [advert], -0.06, -0.02)

    def _move_prices(self, today: dict[str, Advert], adverts: list[Advert], low: float, high: float) -> Iterator[Event]:
        for advert in adverts:
            price = moved_price(self._rng, advert.price, low, high)
            today[advert.source_listing_id] = replace(advert, price=price)
            details = {"old": advert.price, "new": price}
            yield Event(EventKind.PRICE_CHANGED, advert.source_listing_id, details)

    def _mend(self, today: dict[str, Advert], undecided: Iterator[Advert]) -> Iterator[Event]:
        for advert in undecided:
            mended = self._mended(advert) if self._rng.random() < _SHARE_MENDED else None
            if mended:
                kind, name, better = mended
                today[advert.source_listing_id] = better
                details = {"field": name, "old": getattr(advert, name), "new": getattr(better, name)}
                yield Event(kind, advert.source_listing_id, details)

    def _mended(self, advert: Advert) -> tuple[EventKind, str, Advert] | None:
        corrected = without_typo(advert)
        if corrected:
            return EventKind.TYPO_FIXED, *corrected
        if advert.year_built is None:
            better = replace(advert, year_built=new_year_built(self._rng))
            return EventKind.FIELD_COMPLETED, "year_built", better
        if advert.description is None:
            better = replace(advert, description=new_description(self._rng))
            return EventKind.FIELD_COMPLETED, "description", better
        return None


def _take(adverts: Iterator[Advert], share: float, total: int) -> list[Advert]:
    return [next(adverts) for _ in range(max(1, round(total * share)))]


def _as_published(advert: Advert, seed: int, day: int) -> Advert:
    """The advert with that day's noise: image tokens always, another order of amenities one day in three."""
    noise = crc32(f"{seed} {advert.source_listing_id} {day}".encode())
    turn = noise // 3 % (len(advert.amenities) or 1) if noise % 3 == 0 else 0
    return replace(
        advert,
        amenities=advert.amenities[turn:] + advert.amenities[:turn],
        images=tuple(f"{image}?token={noise:08x}" for image in advert.images),
    )
