"""What a page states in forms made for programs: schema.org first, then the state of its scripts, then meta.

Each form fills in what those before it leave open, so that a portal needs selectors only for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from parsel import Selector

from loaders import embedded_state, page_meta, structured_data
from loaders.embedded_state import EmbeddedState
from loaders.structured_data import ItemList, StructuredData, StructuredListing


@dataclass(frozen=True)
class StatedData:
    """The three forms of one page, each read when it is needed."""

    selector: Selector
    url: str

    @cached_property
    def structured(self) -> StructuredData:
        """JSON-LD and microdata."""
        return structured_data.structured_data(self.selector, self.url)

    @cached_property
    def embedded(self) -> EmbeddedState:
        """The JSON of scripts."""
        return embedded_state.embedded_state(self.selector, self.url)

    @cached_property
    def listing(self) -> StructuredListing | None:
        """The listing the page is about; None where no structured data, script or price in meta tells of one."""
        meta = page_meta.listing_of_meta(self.selector, self.url)
        forms = [form for form in (self.structured.listing(), self.embedded.listing()) if form is not None]
        if not forms and meta.fields.get("price") is None:
            return None
        first, *others = [*forms, meta]
        fields = dict(first.fields)
        for form in others:
            fields.update({name: text for name, text in form.fields.items() if fields.get(name) is None})
        listing_id = next((form.listing_id for form in forms if form.listing_id), None)
        return replace(first, fields=fields, listing_id=listing_id)

    @cached_property
    def item_list(self) -> ItemList | None:
        """The results the page lists."""
        return self.structured.item_list() or self.embedded.item_list()
