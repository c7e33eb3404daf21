"""The demo market as portals that tests crawl."""

from __future__ import annotations

from dataclasses import replace

from scripts.demo.catalogue import Layout, MarketCatalogue, ShownAdvert


class PlainCatalogue(MarketCatalogue):
    """The market on pages that need no browser."""

    def advert(self, day: int, source_listing_id: str) -> ShownAdvert:
        """One advert, with labelled values in HTML."""
        return replace(super().advert(day, source_listing_id), layout=Layout.PLAIN)
