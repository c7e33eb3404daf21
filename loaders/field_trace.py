"""Field by field, what a page gave: which selector, how many matches it needs and found, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from parsel import Selector

from loaders.fields import ALL_FIELDS, LISTING_FIELDS
from loaders.pages import Page, PageContent, PageKind, field_text, matches
from loaders.source_files import DetailRules, ListRules, PageRules, Rule

STRUCTURED_DATA = "structured data"

Outcome = Literal["read", "empty", "unknown", "missing"]


@dataclass(frozen=True)
class FieldTrace:
    """What became of one field or part of a page.

    `outcome` is read, empty (seen without text), unknown (the part of the page that would hold it is not there) or
    missing (fewer matches `found` than `wanted`). On result pages a field is traced in the first card that gives it,
    and `cards` tells in how many cards it has text. `selector` is the one that gave the value, else the first tried.
    """

    name: str
    value: str | None
    selector: str
    wanted: int
    found: int
    outcome: Outcome
    cards: int | None = None


@dataclass(frozen=True)
class PageTrace:
    """What one page gave. `unread_fields` are known to this project, and no listing on the page has them."""

    fields: tuple[FieldTrace, ...]
    cards: int | None
    unread_fields: tuple[str, ...]


def trace_page(rules: PageRules | None, kind: PageKind, page: Page, content: PageContent | None) -> PageTrace:
    """Trace a page; `content` is what its reader read, None where it could not be read."""
    list_rules = rules.list_page if rules and kind == "list" else None
    detail_rules = rules.detail_page if rules and kind == "detail" else None
    cards = page.selector.css(list_rules.cards.css) if list_rules else None
    if list_rules and cards is not None:
        traces = [*_list_parts(list_rules, page, cards), *_card_fields(list_rules, page, cards)]
    elif detail_rules:
        traces = [_first_choice(page, page.selector, name, rules) for name, rules in detail_rules.fields.items()]
    else:
        traces = []
    if content is not None:
        traces = _with_structured_data(traces, content, list_rules or detail_rules)
    seen = content.observations if content else []
    given = {name for observation in seen for name, text in observation.fields.items() if text is not None}
    return PageTrace(
        tuple(traces),
        len(cards) if cards is not None else None,
        tuple(name for name in LISTING_FIELDS if name not in given),
    )


def _list_parts(rules: ListRules, page: Page, cards: Sequence[Selector]) -> Iterable[FieldTrace]:
    yield _trace("cards", f"{len(cards)} cards", rules.cards, len(cards))
    first = cards[0].css(rules.link) if cards else []
    yield _trace("link", first[0].get() if first else None, Rule(rules.link, 1), len(first))
    following = page.selector.css(rules.next)
    yield _trace("next", following.xpath("@href").get() if following else None, Rule(rules.next), len(following))
    if rules.count:
        found = matches(page.selector, rules.count.css)
        yield _trace("count", _part_text(page, "count", rules.count, found), rules.count, len(found))


def _card_fields(rules: ListRules, page: Page, cards: Sequence[Selector]) -> Iterable[FieldTrace]:
    for name, alternatives in rules.fields.items():
        traces = [_first_choice(page, card, name, alternatives) for card in cards]
        read = [trace for trace in traces if trace.outcome == "read"]
        broken = [trace for trace in traces if trace.outcome == "missing"]
        shown = next(iter([*broken, *read, *traces]), None) or _trace(name, None, alternatives[0], 0)
        yield FieldTrace(**{**vars(shown), "cards": len(read)})


def _first_choice(page: Page, scope: Selector, name: str, alternatives: Sequence[Rule]) -> FieldTrace:
    """The alternative that a reader takes: the first with text, unless one before it finds too little."""
    present = [rule for rule in alternatives if rule.within is None or matches(page.selector, rule.within)]
    if not present:
        rule = alternatives[0]
        return FieldTrace(name, None, rule.css, rule.matches, 0, "unknown")
    traces = []
    for rule in present:
        found = matches(scope, rule.css)
        traces.append(_trace(name, _part_text(page, name, rule, found), rule, len(found)))
        if traces[-1].outcome != "empty":
            return traces[-1]
    return traces[0]


def _trace(name: str, value: str | None, rule: Rule, found: int) -> FieldTrace:
    outcome: Outcome = "missing" if found < rule.matches else "empty" if value is None else "read"
    return FieldTrace(name, value, rule.css, rule.matches, found, outcome)


def _part_text(page: Page, name: str, rule: Rule, found: Sequence[Any]) -> str | None:
    return field_text(page, name, rule, found) if found else None


def _with_structured_data(
    traces: list[FieldTrace], content: PageContent, rules: ListRules | DetailRules | None
) -> list[FieldTrace]:
    """Fields that selectors did not give and the structured data of the page did."""
    if isinstance(rules, ListRules) or not content.observations:
        return traces
    is_list = content.observations[0].kind == "card"
    by_selector = {trace.name: trace for trace in traces if trace.outcome == "read"}
    stated: dict[str, FieldTrace] = {}
    # Beside selectors, the id and the address may come from the card and the page itself.
    own = frozenset({"source_listing_id", "url"}) if rules else frozenset()
    for name in (name for name in ALL_FIELDS if name not in own):
        texts = [
            text
            for seen in content.observations
            if (text := seen.source_listing_id if name == "source_listing_id" else seen.fields.get(name)) is not None
        ]
        if texts and name not in by_selector:
            cards = len(texts) if is_list else None
            stated[name] = FieldTrace(name, texts[0], STRUCTURED_DATA, 0, len(texts), "read", cards)
    kept = [stated.pop(trace.name, trace) for trace in traces]
    return [*kept, *stated.values()]
