"""The generated market: the same for the same seed, realistic, and truthful about what happened."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

import pytest

from scripts.demo.advert import Advert
from scripts.demo.market import Availability, Event, EventKind, Market
from scripts.demo.places import CITIES, MISSPELLINGS

FIRST_APPEARANCES = {EventKind.CREATED, EventKind.RELISTED}
CHANGES = {EventKind.PRICE_CHANGED, EventKind.TYPO_FIXED, EventKind.FIELD_COMPLETED}


@pytest.fixture(scope="module")
def demo() -> Market:
    return Market()


@pytest.fixture(scope="module")
def large() -> Market:
    return Market(seed=3, size=2_000, days=12)


def meaningful(advert: Advert) -> Advert:
    """An advert without what is noise."""
    images = tuple(image.partition("?")[0] for image in advert.images)
    return replace(advert, amenities=tuple(sorted(advert.amenities)), images=images)


def by_id(market: Market, day: int) -> dict[str, Advert]:
    return {advert.source_listing_id: advert for advert in market.listings_on(day)}


@cache
def events_of(market: Market, day: int) -> list[Event]:
    return market.events(day)


def ids_of(market: Market, day: int, *kinds: EventKind) -> set[str]:
    return {event.source_listing_id for event in events_of(market, day) if event.kind in kinds}


def test_the_same_seed_is_the_same_market_and_another_seed_another(demo: Market) -> None:
    again, other = Market(), Market(seed=8)
    for day in range(1, demo.days + 1):
        assert demo.listings_on(day) == again.listings_on(day)
        assert demo.events(day) == again.events(day)
    assert demo.listings_on(1) != other.listings_on(1)


def test_fewer_days_are_the_start_of_more_days(demo: Market) -> None:
    short = Market(days=3)
    assert [short.listings_on(day) for day in (1, 2, 3)] == [demo.listings_on(day) for day in (1, 2, 3)]


def test_the_market_keeps_its_size(demo: Market, large: Market) -> None:
    for market in (demo, large):
        assert len(market.listings_on(1)) == market.size
        for day in range(2, market.days + 1):
            assert market.size * 0.9 <= len(market.ids_on(day)) <= market.size * 1.1


def test_every_id_is_shown_once_a_day_and_newest_adverts_come_first(large: Market) -> None:
    for day in (1, 7, 12):
        adverts = large.listings_on(day)
        assert len({advert.source_listing_id for advert in adverts}) == len(adverts)
        assert [a.listed_at for a in adverts] == sorted((a.listed_at for a in adverts), reverse=True)
        assert all(advert.listed_at <= large.date_of(day) for advert in adverts)


def test_events_are_exactly_the_differences_between_two_days(large: Market) -> None:
    before = by_id(large, 1)
    seen = set(before)
    assert ids_of(large, 1, EventKind.CREATED) == seen
    for day in range(2, large.days + 1):
        after = by_id(large, day)
        common = before.keys() & after.keys()
        assert ids_of(large, day, *FIRST_APPEARANCES) == after.keys() - seen
        assert ids_of(large, day, EventKind.RETURNED) == (after.keys() & seen) - before.keys()
        assert ids_of(large, day, EventKind.ABSENT) == before.keys() - after.keys()
        changed = {i for i in common if meaningful(before[i]) != meaningful(after[i])}
        assert ids_of(large, day, *CHANGES) & common == changed
        noisy = {i for i in common - changed if before[i] != after[i]}
        assert ids_of(large, day, EventKind.NOISE) == noisy
        seen |= after.keys()
        before = after


def test_a_listing_has_one_event_a_day_but_for_returns_at_another_price(large: Market) -> None:
    for day in range(1, large.days + 1):
        kinds: dict[str, list[EventKind]] = {}
        for event in events_of(large, day):
            kinds.setdefault(event.source_listing_id, []).append(event.kind)
        several = [found for found in kinds.values() if len(found) > 1]
        assert all(found == [EventKind.RETURNED, EventKind.PRICE_CHANGED] for found in several)


def test_the_details_of_changes_are_what_the_adverts_say(large: Market) -> None:
    last_seen = by_id(large, 1)
    for day in range(2, large.days + 1):
        after = by_id(large, day)
        for event in events_of(large, day):
            if event.kind in CHANGES:
                field = str(event.details.get("field", "price"))
                assert event.details["old"] == getattr(last_seen[event.source_listing_id], field)
                assert event.details["new"] == getattr(after[event.source_listing_id], field)
        last_seen |= after


def test_prices_move_as_much_as_promised(large: Market) -> None:
    for day in range(2, large.days + 1):
        returned = ids_of(large, day, EventKind.RETURNED)
        moves = [
            event.details["new"] / event.details["old"] - 1
            for event in events_of(large, day)
            if event.kind is EventKind.PRICE_CHANGED and event.source_listing_id not in returned
        ]
        cuts = [move for move in moves if move < 0]
        assert all(-0.082 <= move <= -0.008 for move in cuts)
        assert all(0.008 <= move <= 0.042 for move in moves if move > 0)
        assert 0.05 <= len(cuts) / large.size <= 0.07
        assert 0 < len(moves) - len(cuts) < len(cuts) / 3


def test_a_relisting_is_the_same_flat_cheaper_under_another_id(large: Market) -> None:
    relistings = [event for event in events_of(large, 6) if event.kind is EventKind.RELISTED]
    assert len(relistings) > 10
    for event in relistings:
        new = large.listing_on(6, event.source_listing_id)
        old = large.listing_on(6, str(event.details["previous_id"]))
        same = ("street_address", "city", "latitude", "longitude", "area_m2", "rooms", "floor")
        assert [getattr(new, name) for name in same] == [getattr(old, name) for name in same]
        assert 0.91 < new.price / old.price < 0.99
        assert large.availability(6, old.source_listing_id) is Availability.GONE


def test_the_demo_has_removals_that_come_back(demo: Market) -> None:
    """With two absences to a removal: gone on days 2 and 3, removed on day 3, back on day 4."""
    left_on_day_2 = ids_of(demo, 2, EventKind.ABSENT)
    removed_on_day_3 = {identifier for identifier, days in demo.absences(3).items() if days == 2}
    assert removed_on_day_3 <= left_on_day_2
    back_on_day_4 = {
        event.source_listing_id: event.details["absent_days"]
        for event in events_of(demo, 4)
        if event.kind is EventKind.RETURNED
    }
    reactivated = removed_on_day_3 & back_on_day_4.keys()
    assert len(reactivated) >= 3
    assert {back_on_day_4[identifier] for identifier in reactivated} == {2}
    assert reactivated & ids_of(demo, 4, EventKind.PRICE_CHANGED), "someone comes back at another price"
    assert removed_on_day_3 - reactivated, "others stay away"


def test_in_three_days_some_come_back_after_one_day(demo: Market) -> None:
    assert len(ids_of(demo, 2, EventKind.ABSENT) & ids_of(demo, 3, EventKind.RETURNED)) >= 2


def test_every_day_of_the_demo_has_something_to_tell(demo: Market) -> None:
    for day in range(2, demo.days + 1):
        counts = Counter(event.kind for event in events_of(demo, day))
        assert counts[EventKind.PRICE_CHANGED] >= 8
        assert counts[EventKind.ABSENT] >= 5
        assert counts[EventKind.CREATED] >= 5
        assert counts[EventKind.NOISE] >= 100
    kinds = {event.kind for day in range(1, demo.days + 1) for event in events_of(demo, day)}
    assert kinds == set(EventKind)


def test_absences_count_days_in_a_row(large: Market) -> None:
    online = {day: set(large.ids_on(day)) for day in range(1, 10)}
    for day in (1, 2, 9):
        expected = {}
        for identifier in set().union(*(online[earlier] for earlier in range(1, day))):
            away = 0
            while identifier not in online[day - away]:
                away += 1
            if away:
                expected[identifier] = away
        assert large.absences(day) == expected


def test_the_portal_knows_what_became_of_a_listing(demo: Market) -> None:
    sold = {e.source_listing_id for e in events_of(demo, 2) if e.details.get("reason") == "sold"}
    paused = {e.source_listing_id for e in events_of(demo, 2) if e.details.get("reason") == "paused"}
    created_later = ids_of(demo, 3, EventKind.CREATED)
    assert {demo.availability(2, identifier) for identifier in sold} == {Availability.SOLD}
    assert {demo.availability(2, identifier) for identifier in paused} == {Availability.GONE}
    assert {demo.availability(2, identifier) for identifier in created_later} == {Availability.UNKNOWN}
    assert {demo.availability(1, identifier) for identifier in sold | paused} == {Availability.ONLINE}


def test_adverts_are_plausible(large: Market) -> None:
    cities = {city.name: city for city in CITIES}
    for advert in large.listings_on(1):
        city = cities[advert.city]
        assert (advert.region, advert.country) == (city.region, city.country)
        assert advert.postal_code in city.postal_codes
        assert abs(advert.latitude - city.latitude) <= 0.03
        assert abs(advert.longitude - city.longitude) <= 0.04
        assert 1_000 < advert.price / advert.area_m2 < 7_000
        assert advert.floor is None or 0 <= advert.floor < advert.floor_count
        assert advert.agent_email.endswith(".example")
        assert advert.images


def test_some_adverts_are_careless(large: Market) -> None:
    adverts = large.listings_on(1)
    texts = [f"{advert.title} {advert.description}" for advert in adverts]
    with_typo = [text for text in texts if any(word in text for word in MISSPELLINGS.values())]
    for count in (
        len(with_typo),
        sum(advert.year_built is None for advert in adverts),
        sum(advert.description is None for advert in adverts),
        sum(advert.floor is None and advert.property_type != "House" for advert in adverts),
    ):
        assert 0.02 < count / len(adverts) < 0.2


def test_no_misspelling_hides_in_a_correct_word() -> None:
    for misspelling in MISSPELLINGS.values():
        assert not any(misspelling in correct for correct in MISSPELLINGS)


@pytest.mark.parametrize(("size", "days"), [(19, 5), (150, 0)])
def test_a_market_too_small_to_evolve_is_refused(size: int, days: int) -> None:
    with pytest.raises(ValueError, match="at least 20 adverts and 1 day"):
        Market(size=size, days=days)


@pytest.mark.parametrize("day", [0, 6])
def test_a_day_outside_the_market_is_refused(demo: Market, day: int) -> None:
    with pytest.raises(ValueError, match="days 1 to 5"):
        demo.listings_on(day)
