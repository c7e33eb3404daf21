"""The option that opens private addresses, as a user meets it."""

from __future__ import annotations

import pytest

from tests.python.conftest import Command
from tests.python.integration.sites import Site, flat, results

PAGES = {"/flats": results("/flat/1"), "/flat/1": flat("A-1", 1)}
NOTHING = {"PROPERTY_ALLOW_PRIVATE_NETWORK": ""}


def test_a_private_portal_is_refused_until_it_is_allowed(command: Command) -> None:
    with Site(PAGES) as site:
        scrape = ("scrape", "--url", f"{site.url}/flats", "--no-sync", "--json", "--set", "requests_per_second=null")
        refused = command.run(*scrape, **NOTHING)
        assert refused.code == 1
        assert "is not opened: 127.0.0.1 is a loopback address" in refused.json["error"]["message"]
        assert "--allow-private-network" in refused.json["error"]["hint"]
        assert site.requests == []

        elsewhere = command.run(*scrape, "--allow-private-network", "127.0.0.2,127.0.0.1:1", **NOTHING)
        assert (elsewhere.code, site.requests) == (1, [])

        allowed = command.ok(*scrape, "--allow-private-network", site.url.removeprefix("http://"), **NOTHING)
        assert allowed.json["session"]["listings_seen"] == 1

        assert command.run(*scrape, **NOTHING).code == 1, "an earlier command allows nothing to a later one"


def test_a_plan_says_that_a_portal_is_private(command: Command) -> None:
    with Site(PAGES) as site:
        plan = command.run("scrape", "--url", f"{site.url}/flats", "--dry-run", **NOTHING)
        assert plan.code == 1
        assert "127.0.0.1 is a loopback address" in plan.stderr
        assert site.requests == []


@pytest.mark.parametrize("networks", ["localhost", "10.0.0.1/8"])
def test_what_cannot_be_allowed_is_a_usage_error(command: Command, networks: str) -> None:
    result = command.run("scrape", "--url", "http://portal.example", "--allow-private-network", networks)
    assert result.code == 2
    assert "is not an address or network that can be allowed" in result.stderr
