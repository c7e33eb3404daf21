"""Single visits: what became of a page, by what the portal answered and what the browser made of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from loaders.browser import NotReadyError, Ready, RenderError
from loaders.frontier import ClaimedPage, Settlement
from loaders.http import Response
from loaders.pages import Page, PageContent, PageKind, Reader, StructuredReader, reader_of
from loaders.politeness import RetryPolicy
from loaders.source_files import BUILT_IN, load_source_file
from loaders.visits import SMALL_CHARACTERS, Visitor
from tests.python.integration.sites import flat

URL = "https://portal.example/flat/1"
DEMO = reader_of(load_source_file(BUILT_IN / "demo_portal.yml").rules)
ADVERT = flat("A-1", 100)[2]
CLAIMED = ClaimedPage(URL, "detail", 1, None, "portal.example", None, is_robots_known=True)


class Portal:
    """Stands for client, hosts and renderer: answers every request alike, and renders everything to `rendered`."""

    def __init__(
        self,
        body: str = ADVERT,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        rendered: str | Exception = "",
        answers_at: str = URL,
    ) -> None:
        self._response = Response(answers_at, status, {"content-type": "text/html", **(headers or {})}, body.encode())
        self._rendered = rendered
        self.asked_with: Mapping[str, str] = {}

    async def admit_claimed(self, url: str, *, is_robots_known: bool) -> None:
        pass

    async def admit(self, url: str) -> None:
        pass

    async def answered(self, url: str) -> None:
        pass

    async def get(self, url: str, *, headers: Mapping[str, str], **_: Any) -> Response:
        self.asked_with = headers
        return self._response

    def is_allowed(self, url: str) -> bool:
        return True

    async def render(self, document: Response, ready: Ready, **_: Any) -> str:
        if isinstance(self._rendered, Exception):
            raise self._rendered
        return self._rendered


def visit(portal: Portal, page: ClaimedPage = CLAIMED, reader: Reader | None = None) -> Settlement:
    stand_in: Any = portal
    visitor = Visitor(stand_in, stand_in, stand_in, reader or StructuredReader(), RetryPolicy())
    return asyncio.run(visitor.visit(page))


def test_half_a_character_in_a_rendered_page_costs_that_page_alone() -> None:
    settlement = visit(Portal("<p>wait</p>", rendered=f"<title>\ud83d</title>{ADVERT}"))
    assert (settlement.state, settlement.page_class) == ("failed", "error")
    assert (settlement.error or "").startswith("the page cannot be read: ")


@pytest.mark.parametrize("tag", ['"größer"', '"v\x7f"', '"a\tb"'], ids=["letters", "delete", "tab"])
def test_tags_that_no_request_can_carry_are_neither_kept_nor_sent(tag: str) -> None:
    portal = Portal(headers={"etag": tag, "last-modified": "Sat, 28 Nov 2026 10:00:00 GMT"})
    settlement = visit(portal, CLAIMED._replace(read_listing_id="A-1", etag=tag, last_modified=tag))
    assert portal.asked_with == {}
    assert (settlement.etag, settlement.last_modified) == (None, "Sat, 28 Nov 2026 10:00:00 GMT")


def test_tags_are_kept_and_sent() -> None:
    portal = Portal(headers={"etag": 'W/"v2"'})
    assert visit(portal, CLAIMED._replace(read_listing_id="A-1", etag='"v1"')).etag == 'W/"v2"'
    assert portal.asked_with == {"If-None-Match": '"v1"'}


def test_an_advert_that_leads_to_another_one_lands_nothing() -> None:
    settlement = visit(Portal(answers_at="https://portal.example/flat/2"), CLAIMED._replace(source_listing_id="A-9"))
    assert settlement.error == "https://portal.example/flat/2 shows listing A-1, while its card leads to A-9"
    assert (settlement.state, settlement.observations) == ("failed", ())


SHELL = "<div id=app></div>"


@pytest.mark.parametrize("error", [RenderError("the browser failed"), NotReadyError("nothing appeared", SHELL)])
@pytest.mark.parametrize(
    ("attempt", "failed_renderings", "state"), [(1, 0, "todo"), (2, 1, "failed"), (4, 0, "todo"), (5, 1, "failed")]
)
def test_trouble_of_the_browser_is_none_of_the_portal(
    error: RenderError, attempt: int, failed_renderings: int, state: str
) -> None:
    page = CLAIMED._replace(attempt=attempt, failed_renderings=failed_renderings)
    settlement = visit(Portal(SHELL, rendered=error), page, DEMO)
    assert (settlement.state, settlement.error, settlement.is_transient) == (state, error.message, False)


@pytest.mark.parametrize(
    ("attempt", "failed_renderings", "state"), [(1, 0, "todo"), (4, 0, "failed"), (4, 1, "todo"), (5, 1, "failed")]
)
def test_trouble_of_the_portal_is_transient(attempt: int, failed_renderings: int, state: str) -> None:
    settlement = visit(Portal(status=503), CLAIMED._replace(attempt=attempt, failed_renderings=failed_renderings), DEMO)
    assert (settlement.state, settlement.error, settlement.is_transient) == (state, "HTTP 503", True)


def test_where_nothing_is_tried_again_no_page_is_rendered_again() -> None:
    stand_in: Any = Portal(SHELL, rendered=RenderError("the browser failed"))
    visitor = Visitor(stand_in, stand_in, stand_in, DEMO, RetryPolicy(tries=1))
    assert asyncio.run(visitor.visit(CLAIMED)).state == "failed"


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (202, {"x-amzn-waf-action": "challenge"}),
        (405, {"x-amzn-waf-action": "captcha"}),
        (200, {"cf-mitigated": "challenge"}),
    ],
)
def test_a_challenge_is_known_by_its_header(status: int, headers: Mapping[str, str]) -> None:
    settlement = visit(Portal("", status=status, headers=headers))
    assert (settlement.state, settlement.page_class) == ("failed", "blocked")


def test_what_a_guard_lets_through_is_read() -> None:
    assert visit(Portal(headers={"x-amzn-waf-action": "allow"})).page_class == "ok"


CONTACT_FORM = f'<title>Flats</title>{SHELL}<form><div class="g-recaptcha"></div></form>'


def test_a_page_with_a_captcha_in_a_form_is_rendered() -> None:
    settlement = visit(Portal(CONTACT_FORM, rendered=CONTACT_FORM + ADVERT))
    assert (settlement.state, settlement.page_class, settlement.via) == ("done", "ok", "browser")


@pytest.mark.parametrize("reader", [DEMO, StructuredReader()])
def test_a_page_of_which_rendering_leaves_a_captcha_is_blocked(reader: Reader) -> None:
    left = NotReadyError("nothing appeared", CONTACT_FORM)
    settlement = visit(Portal(CONTACT_FORM, rendered=left), reader=reader)
    assert (settlement.state, settlement.page_class) == ("failed", "blocked")


def test_why_a_page_never_became_ready_is_told_beside_what_cannot_be_read() -> None:
    left = NotReadyError("nothing to read appeared within 15 s of rendering (api.example refused it)", SHELL)
    settlement = visit(Portal(SHELL, rendered=left))
    assert (settlement.state, settlement.is_transient) == ("failed", False)
    assert "publishes no structured data that can be read" in (settlement.error or "")
    assert (settlement.error or "").endswith("; " + left.message)


def test_a_page_that_never_became_ready_and_can_be_read_has_no_error() -> None:
    settlement = visit(Portal(SHELL, rendered=NotReadyError("nothing appeared", ADVERT)))
    assert (settlement.state, settlement.via, settlement.error) == ("done", "browser", None)


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_with_a_captcha_is_blocked(status: int) -> None:
    assert visit(Portal(CONTACT_FORM, status=status)).page_class == "blocked"


@pytest.mark.parametrize(("characters", "is_apart"), [(SMALL_CHARACTERS, False), (SMALL_CHARACTERS + 1, True)])
def test_a_large_document_is_read_beside_the_crawl(characters: int, is_apart: bool) -> None:
    threads: list[threading.Thread] = []

    class Watched(StructuredReader):
        def read(self, kind: PageKind, page: Page, known_id: str | None = None) -> PageContent:
            threads.append(threading.current_thread())
            return super().read(kind, page, known_id)

    assert visit(Portal(ADVERT.ljust(characters)), reader=Watched()).state == "done"
    assert [thread is not threading.main_thread() for thread in threads] == [is_apart]
