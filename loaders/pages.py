"""Pages read from HTML and address alone: result pages give cards and links, advert pages one listing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from typing import Any, Literal, Protocol
from urllib.parse import parse_qsl, urlsplit

from lxml.etree import XPath, XPathError, _Element
from parsel import Selector
from parsel.csstranslator import HTMLTranslator

from loaders.fields import LISTING_FIELDS
from loaders.page_limits import PageReadError, believable_count, check_document
from loaders.source_files import DetailRules, ListRules, PageRules, Rule
from loaders.staging import Observation
from loaders.stated_data import StatedData
from loaders.structured_data import StructuredListing
from loaders.urls import absolute, belongs_to, is_same_site, page_key

PageKind = Literal["list", "detail"]

NOTHING_STATED = "publishes no structured data that can be read"
"""In the reason why a page was not read: the generic reader found nothing, so the portal needs a source file."""

_LIST_FIELDS = frozenset({"amenities", "images"})
_BLOCKS = frozenset(
    (
        *(
            "address",
            "article",
            "aside",
            "blockquote",
            "br",
            "dd",
            "div",
            "dl",
            "dt",
            "figure",
            "footer",
            "form",
        ),
        *(
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "header",
            "hr",
            "li",
            "main",
            "nav",
            "ol",
            "p",
            "pre",
            "section",
        ),
        *("table", "td", "th", "tr", "ul"),
    )
)
_UNSEEN = frozenset({"script", "style", "template", "noscript"})
_CHALLENGES = (
    "#challenge-form, #challenge-running, #cf-challenge-running, .cf-turnstile, #px-captcha, #captcha-form, "
    ".g-recaptcha, .h-captcha, .smart-captcha, .geetest_holder, .geetest_captcha, #FunCaptcha, #captcha-container, "
    "form[action*='captcha' i], iframe[src*='captcha' i], iframe[src*='arkoselabs.com'], "
    "iframe[src*='_Incapsula_Resource'], script[src*='captcha-delivery'], "
    "script[src*='/cdn-cgi/challenge-platform/']"
)
_CHALLENGE_SCRIPTS = (
    "script[src*='awswaf.com'], script[src*='_Incapsula_Resource'], script[src*='arkoselabs.com'], "
    "script[src*='geetest.com'], script:contains('KPSDK')"
)
"""Scripts of portals' guards. They stand on every page of such a portal, so they tell something of bare pages only."""
_PLAIN_CHALLENGES = "script:contains('gokuProps'), iframe#main-iframe[src*='_Incapsula_Resource']"
_BARE_CHARACTERS = 600
"""A page that shows no more text than this may be a challenge and nothing else."""
_CHALLENGE_SENTENCES = (
    r"verify(ing)? (that )?you are (a )?human|(confirm|prove) (that )?you('| a)re (a human|human|not a robot)|"
    r"press (&|and) hold to|checking your browser|complete the security check|incapsula incident|"
    r"unusual traffic|i('| a)m not a robot|ich bin kein roboter|je ne suis pas un robot|no soy un robot|"
    r"non sono un robot|nie jestem robotem|не робот\b|доступ (временно )?ограничен"
)
_CHALLENGE_WORDS = re.compile(
    r"just a moment|attention required|access denied|access to this page has been denied|"
    r"are you (a )?(human|robot)|robot check|pardon our interruption|request blocked|captcha|"
    r"^\W*one more step\W*($|[|–-])|^\W*(security check|sicherheitsüberprüfung)\b|" + _CHALLENGE_SENTENCES,
    re.I,
)
_CHALLENGE_TEXT = re.compile(_CHALLENGE_SENTENCES, re.I)


class TooFewMatchesError(PageReadError):
    """A selector found fewer matches than the source file says it needs."""

    def __init__(self, url: str, field_name: str, rule: Rule, count: int) -> None:
        super().__init__(
            f"{url}: {field_name}: {rule.css!r} matches {count} times, at least {rule.matches} needed",
            "The portal's pages may have changed: mend the selector in the source file.",
        )


@dataclass(frozen=True)
class Link:
    """A page that a result page leads to.

    `source_listing_id` is known from the card where it names one, `page_number` from the address.
    """

    url: str
    kind: PageKind
    source_listing_id: str | None = None
    page_number: int | None = None


@dataclass(frozen=True)
class Page:
    """A page as fetched or rendered: its final address, its HTML, and the address that was asked for it."""

    url: str
    html: str
    asked_url: str | None = None

    @property
    def is_redirected(self) -> bool:
        """Whether another page than the one that was asked answered."""
        return self.asked_url is not None and page_key(self.url) != page_key(self.asked_url)

    @cached_property
    def selector(self) -> Selector:
        """The parsed document. Raises PageReadError for one that is built to be costly."""
        document = Selector(self.html or "<html></html>", type="html")
        check_document(document.root, self.url)
        return document

    @cached_property
    def stated(self) -> StatedData:
        """What it states of listings in forms made for programs."""
        return StatedData(self.selector, self.url)


@dataclass(frozen=True)
class PageContent:
    """What one page said. `listing_count` is the number of listings the site itself announces."""

    observations: list[Observation] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    listing_count: int | None = None
    is_empty: bool = False


class Reader(Protocol):
    """Reads the pages of one portal."""

    def promises_ready(self, kind: PageKind) -> bool:
        """Whether a page without `ready` is broken, rather than one that never had what this reader looks for."""

    def ready(self, kind: PageKind) -> str | None:
        """The CSS selector that shows that a page of this kind is complete; None where only `is_ready` can tell."""

    def is_ready(self, kind: PageKind, page: Page) -> bool:
        """Whether the page can be read as it is, without rendering it (further)."""

    def is_challenge(self, page: Page) -> bool:
        """Whether a page that is not ready is a captcha or a challenge."""

    def is_plain_challenge(self, page: Page) -> bool:
        """Whether it is one for certain, so that rendering it is of no use."""

    def key(self, url: str, kind: PageKind) -> str:
        """The normalised address of a page of this kind."""

    def read(self, kind: PageKind, page: Page, known_id: str | None = None) -> PageContent:
        """What the page says. Raises PageReadError."""


def reader_of(rules: PageRules | None) -> Reader:
    """The reader of a source; without rules, of any portal that publishes structured data."""
    return StructuredReader() if rules is None else SelectorReader(rules)


def is_challenge(page: Page) -> bool:
    """Whether a page asks for proof of a human instead of showing what was asked for."""
    if page.selector.css(_CHALLENGES) or is_plain_challenge(page):
        return True
    text = text_of(page.selector.root) or ""
    if len(text) > _BARE_CHARACTERS:
        return False
    return bool(page.selector.css(_CHALLENGE_SCRIPTS) or _CHALLENGE_TEXT.search(text.replace("’", "'")))


def is_plain_challenge(page: Page) -> bool:
    """Whether a page is a challenge by its words, or by what no other page holds.

    A widget alone may belong to a form beside the adverts.
    """
    heads = matches(page.selector, "title, h1")
    return any(_CHALLENGE_WORDS.search(text_of(head) or "") for head in heads) or bool(
        page.selector.css(_PLAIN_CHALLENGES)
    )


class SelectorReader:
    """Reads pages by the selectors of a source file, and beside them structured data where it allows that.

    Kinds of pages without selectors are read by their structured data alone.
    """

    def __init__(self, rules: PageRules) -> None:
        self._rules = rules
        parameter = rules.list_page.page_parameter if rules.list_page else None
        self._first_page = (parameter, "1") if parameter else None
        self._structured = StructuredReader()

    def promises_ready(self, kind: PageKind) -> bool:
        """Where the source file says what is there once a page is complete."""
        return self._rules_of(kind) is not None

    def ready(self, kind: PageKind) -> str | None:
        """The source file's `ready` for this kind of page."""
        rules = self._rules_of(kind)
        return rules.ready if rules else self._structured.ready(kind)

    def is_ready(self, kind: PageKind, page: Page) -> bool:
        """Whether `ready` matches."""
        rules = self._rules_of(kind)
        return bool(matches(page.selector, rules.ready)) if rules else self._structured.is_ready(kind, page)

    def is_challenge(self, page: Page) -> bool:
        """The usual challenges, and the source file's own `blocked` selectors."""
        return is_challenge(page) or self._is_blocked(page)

    def is_plain_challenge(self, page: Page) -> bool:
        """By its words, or by the source file's own `blocked` selectors."""
        return is_plain_challenge(page) or self._is_blocked(page)

    def _is_blocked(self, page: Page) -> bool:
        return any(page.selector.css(css) for css in self._rules.blocked)

    def key(self, url: str, kind: PageKind) -> str:
        """The normalised address; on result pages without the parameter that says page one."""
        return page_key(url, self._first_page if kind == "list" else None)

    def read(self, kind: PageKind, page: Page, known_id: str | None = None) -> PageContent:
        """Cards, links and count of a result page; the listing of an advert page."""
        if kind == "list" and self._rules.list_page:
            return self._read_list(page, self._rules.list_page)
        if kind == "detail" and self._rules.detail_page:
            return self._read_detail(page, self._rules.detail_page, known_id)
        return self._structured.read(kind, page, known_id)

    def _rules_of(self, kind: PageKind) -> ListRules | DetailRules | None:
        return self._rules.list_page if kind == "list" else self._rules.detail_page

    def _read_list(self, page: Page, rules: ListRules) -> PageContent:
        count = _count(page, rules.count) if rules.count else None
        cards = page.selector.css(rules.cards.css)
        is_empty = not cards and (count == 0 or bool(rules.empty and page.selector.css(rules.empty)))
        if len(cards) < rules.cards.matches and not is_empty:
            raise TooFewMatchesError(page.url, "list.cards", rules.cards, len(cards))
        observations, links = [], []
        for card in cards:
            fields, observed = _read_fields(page, card, rules.fields, "list.fields")
            target = absolute(page.url, card.css(rules.link).get())
            identifier = fields.pop("source_listing_id", None)
            if target is not None:
                key = self.key(target, "detail")
                fields.setdefault("url", key)
                observed = [*observed, "url"] if "url" not in observed else observed
                if self._is_own(page, key):
                    links.append(Link(key, "detail", identifier))
            observations.append(Observation(identifier, "card", fields, _ordered(observed)))
        return PageContent(observations, [*self._paging(page, rules), *links], count, is_empty)

    def _paging(self, page: Page, rules: ListRules) -> Iterator[Link]:
        for reference in page.selector.css(rules.next).xpath("@href").getall():
            target = absolute(page.url, reference)
            if target is not None and self._is_own(page, target):
                number = dict(parse_qsl(urlsplit(target).query)).get(rules.page_parameter or "", "")
                yield Link(self.key(target, "list"), "list", page_number=believable_count(number))

    def _is_own(self, page: Page, target: str) -> bool:
        return is_same_site(target, page.url) or belongs_to(target, self._rules.hosts)

    def _read_detail(self, page: Page, rules: DetailRules, known_id: str | None) -> PageContent:
        stated = page.stated.listing if rules.structured_data else None
        fields, observed = _read_fields(page, page.selector, rules.fields, "detail.fields")
        own_id = fields.pop("source_listing_id", None) or (stated.listing_id if stated else None)
        _require_same(page, known_id, own_id)
        if stated is not None:
            fields = {**stated.fields, **{name: text for name, text in fields.items() if text is not None}}
            observed = [*observed, *stated.fields]
        if fields.get("url") is None:
            fields["url"] = self.key(page.url, "detail")
        attributes = _attributes(page, rules)
        names = [*_ordered([*observed, "url"]), *(f"attributes.{name}" for name in attributes)]
        return PageContent([_observation(known_id or own_id, fields, names, attributes, stated)])


class StructuredReader:
    """Reads any portal that publishes schema.org data; needs no source file."""

    def promises_ready(self, kind: PageKind) -> bool:  # noqa: ARG002
        """Never: the portal may not publish such data at all."""
        return False

    def ready(self, kind: PageKind) -> str | None:  # noqa: ARG002
        """None: elements that may carry data are there before scripts fill them."""
        return None

    def is_ready(self, kind: PageKind, page: Page) -> bool:
        """Whether the page states a listing, or a list of them."""
        return (page.stated.item_list if kind == "list" else page.stated.listing) is not None

    def is_challenge(self, page: Page) -> bool:
        """The usual challenges."""
        return is_challenge(page)

    def is_plain_challenge(self, page: Page) -> bool:
        """The usual challenges, by their words."""
        return is_plain_challenge(page)

    def key(self, url: str, kind: PageKind) -> str:  # noqa: ARG002
        """The normalised address."""
        return page_key(url)

    def read(self, kind: PageKind, page: Page, known_id: str | None = None) -> PageContent:
        """Results and paging of a result page; the listing of an advert page."""
        return self._read_list(page) if kind == "list" else self._read_detail(page, known_id)

    def _read_list(self, page: Page) -> PageContent:
        results = page.stated.item_list
        if results is None:
            raise _nothing_stated(page, "no ItemList and no listings")
        paging = [
            Link(page_key(target), "list")
            for reference in page.selector.css("link[rel~=next]::attr(href), a[rel~=next]::attr(href)").getall()
            if (target := absolute(page.url, reference)) is not None and is_same_site(target, page.url)
        ]
        observations, links = [], []
        for item in results.items:
            address = item if isinstance(item, str) else item.url
            identifier = None if isinstance(item, str) else item.listing_id
            if address is not None and is_same_site(address, page.url):
                links.append(Link(page_key(address), "detail", identifier))
            if not isinstance(item, str) and identifier is not None:
                observations.append(_stated_observation("card", identifier, address and page_key(address), item))
        count = (
            results.count if results.count is not None and (not paging or results.count > len(results.items)) else None
        )
        return PageContent(observations, [*paging, *links], count, is_empty=not results.items)

    def _read_detail(self, page: Page, known_id: str | None) -> PageContent:
        stated = page.stated.listing
        if stated is None:
            raise _nothing_stated(page, "no listing")
        if page.is_redirected:
            # Cards and adverts may state ids of different kinds, but another page may well be another advert.
            _require_same(page, known_id, stated.listing_id)
        key = page_key(page.url)
        parts = urlsplit(key)
        identifier = known_id or stated.listing_id or parts.path + (f"?{parts.query}" if parts.query else "")
        return PageContent([_stated_observation("detail", identifier, key, stated)])


def _require_same(page: Page, known_id: str | None, own_id: str | None) -> None:
    """Raise PageReadError where an advert names another listing than its card did."""
    if known_id and own_id and own_id != known_id:
        raise PageReadError(f"{page.url} shows listing {own_id}, while its card leads to {known_id}")


def matches(scope: Selector, css: str) -> list[Any]:
    """What a CSS selector finds: elements, or texts. As `Selector.css`, which makes much of each single match."""
    try:
        return _compiled(css)(scope.root)
    except XPathError as error:
        raise ValueError(f"{css!r} cannot be looked for: {error}") from error


@lru_cache(maxsize=1024)
def _compiled(css: str) -> XPath:
    return XPath(HTMLTranslator().css_to_xpath(css), smart_strings=False)


def text_of(found: Any) -> str | None:
    """The text of an element or attribute as seen: white space collapsed, blocks on lines of their own."""
    if not isinstance(found, _Element):
        return " ".join(str(found).split()) or None
    lines = "".join(_texts(found)).split("\n")
    return "\n".join(line for line in (" ".join(line.split()) for line in lines) if line) or None


def _texts(root: _Element) -> Iterator[str]:
    """Text of an element without recursion; a block begins and ends a line."""
    stack: list[tuple[_Element, Iterator[_Element]]] = []
    yield _inline(root.text)
    stack.append((root, iter(root)))
    while stack:
        element, children = stack[-1]
        child = next(children, None)
        if child is None:
            stack.pop()
            if stack:
                yield ("\n" if element.tag in _BLOCKS else "") + _inline(element.tail)
            continue
        if not isinstance(child.tag, str) or child.tag in _UNSEEN:
            yield _inline(child.tail)
            continue
        yield ("\n" if child.tag in _BLOCKS else "") + _inline(child.text)
        stack.append((child, iter(child)))


def _inline(text: str | None) -> str:
    return text.replace("\n", " ") if text else ""


def _read_fields(
    page: Page, scope: Selector, rules: Mapping[str, tuple[Rule, ...]], origin: str
) -> tuple[dict[str, str | None], list[str]]:
    """Raw text by field, and the names of the fields that the page could have carried."""
    fields: dict[str, str | None] = {}
    observed = []
    is_there = cache(lambda css: bool(matches(page.selector, css)))
    for name, alternatives in rules.items():
        present = [rule for rule in alternatives if rule.within is None or is_there(rule.within)]
        if not present:
            continue
        observed.append(name)
        fields[name] = None
        for rule in present:
            found = matches(scope, rule.css)
            if len(found) < rule.matches:
                raise TooFewMatchesError(page.url, f"{origin}.{name}", rule, len(found))
            if found and (text := field_text(page, name, rule, found)) is not None:
                fields[name] = text
                break
    return fields, observed


def field_text(page: Page, name: str, rule: Rule, found: Sequence[Any]) -> str | None:
    """The text of what a selector found, as it is stored; None where it holds none."""
    if name not in _LIST_FIELDS:
        text = _matched(rule, text_of(found[0]))
        return absolute(page.url, text) if name == "url" and text else text
    texts = [_matched(rule, text_of(entry)) for entry in found]
    if rule.within is not None and len(texts) == 1:
        # One labelled value that holds the whole list; SQL splits it.
        return texts[0]
    if name == "images":
        texts = [absolute(page.url, text) for text in texts]
    kept = list(dict.fromkeys(text for text in texts if text))
    return json.dumps(kept, ensure_ascii=False) if kept else None


def _matched(rule: Rule, text: str | None) -> str | None:
    if rule.pattern is None or text is None:
        return text
    match = rule.pattern.search(text)
    return match[1].strip() or None if match else None


def _count(page: Page, rule: Rule) -> int | None:
    found = matches(page.selector, rule.css)
    if len(found) < rule.matches:
        raise TooFewMatchesError(page.url, "list.count", rule, len(found))
    text = _matched(rule, text_of(found[0])) if found else None
    if text is None:
        return None
    number = re.search(r"\d(?:[\d.,'\u2019\s\u00a0\u202f]*\d)?", text)
    if number is None:
        raise PageReadError(f"{page.url}: list.count: {text!r} holds no number")
    return believable_count(re.sub(r"\D", "", number[0]))


def _attributes(page: Page, rules: DetailRules) -> dict[str, str | None]:
    if rules.attribute_rows is None:
        return {}
    attributes: dict[str, str | None] = {}
    for row in page.selector.css(rules.attribute_rows.rows):
        names, values = matches(row, rules.attribute_rows.name), matches(row, rules.attribute_rows.value)
        name = text_of(names[0]) if names else None
        if name is not None:
            attributes[name.removeprefix("attributes.")] = text_of(values[0]) if values else None
    return attributes


def _observation(
    identifier: str | None,
    fields: dict[str, str | None],
    observed: list[str],
    attributes: dict[str, str | None],
    stated: StructuredListing | None,
) -> Observation:
    return Observation(
        identifier,
        "detail",
        fields,
        observed,
        attributes,
        payload=stated.node if stated else None,
        listing_status=stated.listing_status if stated else None,
    )


def _stated_observation(kind: str, identifier: str, url: str | None, stated: StructuredListing) -> Observation:
    fields: dict[str, Any] = {**stated.fields, "url": url}
    return Observation(
        identifier,
        kind,
        fields,
        _ordered(fields),
        payload=stated.node,
        listing_status=stated.listing_status,
    )


def _ordered(observed: Any) -> list[str]:
    names = set(observed)
    return [name for name in LISTING_FIELDS if name in names]


def _nothing_stated(page: Page, what: str) -> PageReadError:
    broken = page.stated.structured.broken
    detail = f"; {broken} JSON-LD blocks are not valid JSON" if broken else ""
    return PageReadError(
        f"{page.url} {NOTHING_STATED} ({what}{detail})",
    )
