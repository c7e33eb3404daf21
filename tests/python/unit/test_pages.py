"""Pages: golden pages of each source, and what a reader does with pages that are not as promised.

A golden page is `pages/<source>/<kind>_<name>.html`, the expected content stands beside it as JSON. Where the
JSON is missing it is written and the test fails, so that somebody looks at it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from parsel import Selector

from loaders.golden_pages import GoldenPage, golden_pages
from loaders.pages import Page, PageReadError, Reader, StructuredReader, TooFewMatchesError, reader_of, text_of
from loaders.source_files import BUILT_IN, load_source_file
from tests.python.integration.sites import json_ld

PAGES = Path(__file__).parents[1] / "pages"
GOLDEN_PAGES = [page for folder in sorted(PAGES.iterdir()) for page in golden_pages(folder)]
RESULTS = "https://portal.example/listings"
ADVERT = "https://portal.example/listing/HF-1"


def source_reader(source: str) -> Reader:
    return reader_of(None if source == "structured" else load_source_file(BUILT_IN / f"{source}.yml").rules)


@pytest.fixture
def demo() -> Reader:
    return source_reader("demo_portal")


@pytest.mark.parametrize("page", GOLDEN_PAGES, ids=lambda page: f"{page.path.parent.name}/{page.case}")
def test_golden_page(page: GoldenPage) -> None:
    reader = source_reader(page.path.parent.name)
    if not page.expected_path.exists():
        read = json.dumps(page.read(reader), indent=1, ensure_ascii=False)
        page.expected_path.write_text(read + "\n", encoding="utf-8")
        pytest.fail(f"{page.expected_path.name} was missing and is written now: check it, then run the test again")
    assert reader.is_ready(page.kind, page.document())
    assert page.differences(reader) == []


def test_every_source_has_golden_pages_of_both_kinds() -> None:
    for source in ("structured", *(path.stem for path in BUILT_IN.glob("*.yml"))):
        kinds = {page.kind for page in GOLDEN_PAGES if page.path.parent.name == source}
        assert kinds == {"list", "detail"}, source


def test_too_few_cards_are_an_error_with_address_selector_and_count(demo: Reader) -> None:
    page = Page(RESULTS, '<p class="result-count">12 offers</p>')
    with pytest.raises(TooFewMatchesError) as caught:
        demo.read("list", page)
    assert RESULTS in caught.value.message
    assert "'article.card' matches 0 times, at least 1 needed" in caught.value.message


def test_a_portal_that_counts_nothing_is_empty(demo: Reader) -> None:
    content = demo.read("list", Page(RESULTS, '<p class="result-count">0 offers</p>'))
    assert content.is_empty
    assert content.listing_count == 0
    assert content.links == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1,250 offers", 1250),
        ("1.250 Angebote", 1250),
        ("12 345 annonces", 12345),
        ("7", 7),
        ("999,999,999 offers", 999_999_999),
        pytest.param("4,294,967,295 offers", None, id="no count"),
        pytest.param("9" * 5_000, None, id="more digits than a number may have"),
    ],
)
def test_site_count(demo: Reader, text: str, count: int | None) -> None:
    card = '<article class="card" data-listing-id="1"><h2 class="card-title"><a href="/a">A</a></h2></article>'
    assert demo.read("list", Page(RESULTS, f'<p class="result-count">{text}</p>{card}')).listing_count == count


@pytest.mark.parametrize(("stated", "count"), [(12, 12), ("12", 12), (4_294_967_295, None), ("9" * 5_000, None)])
def test_stated_count(stated: object, count: int | None) -> None:
    document = {"@type": "ItemList", "numberOfItems": stated, "itemListElement": [{"url": "/a"}]}
    assert StructuredReader().read("list", Page(RESULTS, json_ld(document))).listing_count == count


def test_a_page_number_beyond_any_count_is_none(demo: Reader) -> None:
    card = '<article class="card" data-listing-id="1"><h2 class="card-title"><a href="/a">A</a></h2></article>'
    paging = "".join(f'<a rel="next" href="/listings?page={number}">more</a>' for number in ("2", "9" * 5_000))
    content = demo.read(
        "list", Page(RESULTS, f'<p class="result-count">2 offers</p>{card}<nav class="paging">{paging}</nav>')
    )
    assert [link.page_number for link in content.links if link.kind == "list"] == [2, None]


def test_a_count_without_number_is_an_error(demo: Reader) -> None:
    with pytest.raises(PageReadError, match="holds no number"):
        demo.read("list", Page(RESULTS, '<p class="result-count">many offers</p>'))


def test_an_advert_that_shows_another_listing_is_an_error(demo: Reader) -> None:
    page = Page(ADVERT, '<article class="advert" data-listing-id="HF-2" data-ready></article>')
    with pytest.raises(PageReadError, match="shows listing HF-2, while its card leads to HF-1"):
        demo.read("detail", page, "HF-1")


@pytest.mark.parametrize(
    ("asked_url", "known_id", "is_another"),
    [
        pytest.param("https://portal.example/listing/K", "K", True, id="moved to another advert"),
        pytest.param("https://portal.example/listing/K", None, False, id="moved, and no card names it"),
        pytest.param("https://portal.example/old/M", "M", False, id="moved with its listing"),
        pytest.param(f"{ADVERT}?utm_source=list", "K", False, id="not moved, ids of different kinds"),
        pytest.param(None, "K", False, id="not known whether it moved"),
    ],
)
def test_an_advert_that_moved_is_another_one_where_it_says_so(
    asked_url: str | None, known_id: str | None, is_another: bool
) -> None:
    stated = '{"@type": "Apartment", "identifier": "M", "offers": {"@type": "Offer", "price": 1}}'
    page = Page(ADVERT, f'<script type="application/ld+json">{stated}</script>', asked_url)
    if is_another:
        with pytest.raises(PageReadError, match="shows listing M, while its card leads to K"):
            StructuredReader().read("detail", page, known_id)
    else:
        (seen,) = StructuredReader().read("detail", page, known_id).observations
        assert seen.source_listing_id == (known_id or "M")


def test_facts_are_unknown_without_their_table_and_empty_inside_it(demo: Reader) -> None:
    start = '<article class="advert" data-listing-id="HF-1" data-ready>'
    bare = demo.read("detail", Page(ADVERT, start)).observations[0]
    table = demo.read("detail", Page(ADVERT, f'{start}<dl class="facts"></dl>')).observations[0]
    assert "floor" not in bare.observed_fields
    assert "floor" in table.observed_fields
    assert table.fields["floor"] is None


def test_attributes_are_read_row_by_row(demo: Reader) -> None:
    html = (
        '<article class="advert" data-listing-id="HF-1" data-ready><dl class="facts">'
        '<div data-field="attributes.tax"><dt>Tax</dt><dd>1,200</dd></div>'
        '<div data-field="attributes.view"><dt>View</dt><dd></dd></div></dl>'
    )
    seen = demo.read("detail", Page(ADVERT, html)).observations[0]
    assert seen.attributes == {"tax": "1,200", "view": None}
    assert {"attributes.tax", "attributes.view"} <= set(seen.observed_fields)


CHALLENGES = {
    "Cloudflare, waiting": "<title>Just a moment...</title>",
    "Cloudflare, its text alone": "<title>portal.example</title><h2>Verifying you are human. One moment.</h2>",
    "Cloudflare, form": '<form id="challenge-form"></form>',
    "Cloudflare, Turnstile": '<title>portal.example</title><div class="cf-turnstile"></div>',
    "Cloudflare, refusal": "<title>Attention Required! | Cloudflare</title>",
    "Cloudflare, security check": "<h1>One more step</h1><p>Please complete the security check to go on.</p>",
    "AWS WAF, challenge": '<title></title><script>window.gokuProps = {"key":"x"};</script><div id="wait"></div>',
    "AWS WAF, script alone": '<body><script src="https://a.b.token.awswaf.com/a/b/challenge.js"></script></body>',
    "AWS WAF, captcha": '<title>Portal</title><body><div id="captcha-container"></div></body>',
    "Imperva, script": '<head><script src="/_Incapsula_Resource?SWJIYLWA=719"></script></head><body></body>',
    "Imperva, frame": '<iframe id="main-iframe" src="/_Incapsula_Resource?CWUDNSAI=9">Request unsuccessful.</iframe>',
    "Imperva, interruption": "<title>Pardon Our Interruption</title>",
    "Kasada": "<body><script>window.KPSDK={};</script><script src='/149e9513/ips.js'></script></body>",
    "Arkose": '<title>Portal</title><iframe src="https://client-api.arkoselabs.com/fc/gc/"></iframe>',
    "GeeTest": '<title>Portal</title><div class="geetest_holder geetest_wind"></div>',
    "GeeTest, script": '<title>Portal</title><body><script src="https://static.geetest.com/v4/gt4.js"></script></body>',
    "DataDome": "<title>portal.example</title><script src='https://ct.captcha-delivery.com/c.js'></script>",
    "HUMAN, button": '<title>Portal</title><div id="px-captcha"></div>',
    "HUMAN, text": "<title>Portal</title><p>Press &amp; Hold to confirm you are a human (and not a bot).</p>",
    "HUMAN, refusal": "<title>Access to this page has been denied</title>",
    "Akamai": "<h1>Access Denied</h1><p>You have no permission to access this server.</p>",
    "reCAPTCHA": '<div class="g-recaptcha"></div>',
    "hCaptcha": '<title>Portal</title><div class="h-captcha"></div>',
    "a question": "<title>Are you human?</title>",
    "a robot check": "<title>Robot Check</title>",
    "a security check": "<title>Security check | Portal</title>",
    "English": "<title>Portal</title><p>Please confirm that you’re not a robot.</p>",
    "German": "<title>Portal</title><label>Ich bin kein Roboter</label>",
    "German, heading": "<h1>Ich bin kein Roboter - Portal</h1>",
    "French": "<title>Portal</title><label>Je ne suis pas un robot</label>",
    "Russian": "<title>Доступ ограничен: проблема с IP</title>",
    "Russian, text": "<title>Портал</title><p>Подтвердите, что вы не робот</p>",
}
ORDINARY_PAGES = {
    "a humane society": "<title>Flats</title><h1>12 flats near the humane society</h1>",
    "a step to a home": "<title>Flats</title><h1>One more step to your new home</h1>",
    "a robot in the advert": "<title>Flat</title><p>With a vacuum robot and a hall for security checks.</p>",
    "a note beside a form": "<title>Flats</title><p>This site is protected by reCAPTCHA; its terms apply.</p>",
    "a guard's script on a page of text": (
        '<title>Flats</title><script src="/_Incapsula_Resource?SWJIYLWA=719"></script>'
        '<script src="https://a.edge.sdk.awswaf.com/a/challenge.js"></script>'
        f"<script>window.KPSDK={{}}</script><p>{'A quiet flat with a garden. ' * 25}</p>"
    ),
    "a check beside a page of text": (
        f"<title>Flats</title><p>{'A quiet flat with a garden. ' * 25}</p><label>Ich bin kein Roboter</label>"
    ),
}


@pytest.mark.parametrize("html", CHALLENGES.values(), ids=CHALLENGES.keys())
def test_challenges(demo: Reader, html: str) -> None:
    for reader in (demo, StructuredReader()):
        assert reader.is_challenge(Page(RESULTS, html))


@pytest.mark.parametrize("html", ORDINARY_PAGES.values(), ids=ORDINARY_PAGES.keys())
def test_ordinary_pages_are_no_challenge(demo: Reader, html: str) -> None:
    for reader in (demo, StructuredReader()):
        assert not reader.is_challenge(Page(RESULTS, html))


@pytest.mark.parametrize(
    ("html", "is_plain"),
    [
        ("<title>Just a moment...</title>", True),
        ('<title>Are you human?</title><div class="g-recaptcha"></div>', True),
        (CHALLENGES["AWS WAF, challenge"], True),
        (CHALLENGES["Imperva, frame"], True),
        (CHALLENGES["AWS WAF, script alone"], False),
        ('<title>Flats</title><form class="contact"><div class="g-recaptcha"></div></form>', False),
    ],
)
def test_before_rendering_a_challenge_is_told_by_its_words(demo: Reader, html: str, is_plain: bool) -> None:
    page = Page(RESULTS, html)
    for reader in (demo, StructuredReader()):
        assert (reader.is_challenge(page), reader.is_plain_challenge(page)) == (True, is_plain)


@pytest.mark.parametrize(
    "media_type", ["application/ld+json; charset=utf-8", "application/ld+json;profile=x", "Application/LD+JSON"]
)
def test_the_type_of_json_ld_may_have_parameters_and_capitals(media_type: str) -> None:
    stated = '{"@type": "Apartment", "identifier": "M", "offers": {"@type": "Offer", "price": 1}}'
    page = Page(ADVERT, f'<script type="{media_type}">{stated}</script>')
    assert StructuredReader().is_ready("detail", page)
    assert StructuredReader().read("detail", page).observations[0].source_listing_id == "M"


def test_without_structured_data_the_error_counts_broken_blocks() -> None:
    page = Page(RESULTS, '<script type="application/ld+json">{broken</script><p>hello</p>')
    with pytest.raises(PageReadError, match=r"publishes no structured data .* 1 JSON-LD blocks"):
        StructuredReader().read("list", page)


def test_text_of_keeps_blocks_apart_and_numbers_together() -> None:
    html = "<div id=x> 1<b>2</b>50 <p>a\n b</p><p>c<br>d</p><script>no()</script><!-- no --> e </div>"
    assert text_of(Selector(html).css("#x")[0].root) == "1250\na b\nc\nd\ne"
