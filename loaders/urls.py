"""Addresses: the key under which a crawl knows a page, and the names derived from a start address."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from w3lib.url import canonicalize_url

from loaders.errors import UsageError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_TRACKING_PARAMETER = re.compile(
    r"(utm_\w+|gclid|gclsrc|dclid|gbraid|wbraid|fbclid|msclkid|yclid|twclid|ttclid|igshid|mc_[ce]id|_ga|_gl)",
    re.I,
)
_LOCAL_SOURCE = "local_portal"


def page_key(url: str, first_page: tuple[str, str] | None = None) -> str:
    """The normalised address of a page: no fragment, no tracking parameters, sorted query, no default port.

    `first_page` names the query parameter and value that only say "page one", so that both spellings of the
    first result page have one key: with ("page", "1"), '/a?page=1' and '/a' are the same page.
    """
    parts = urlsplit(canonicalize_url(url, keep_blank_values=True))
    kept = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if not _TRACKING_PARAMETER.fullmatch(name) and (name, value) != first_page
    ]
    # Sorted once more: what is no text in UTF-8 is read as another character than the one it was sorted by.
    return urlunsplit((parts.scheme, _host_and_port(parts), parts.path or "/", urlencode(sorted(kept)), ""))


def start_url(url: str) -> str:
    """A start address as given by a user, checked; raises UsageError when it cannot be crawled."""
    text = url.strip()
    if not is_web_address(text):
        raise UsageError(
            f"{url!r} is not an address that can be scraped",
            "Give the full address of a result page, for example https://portal.example/flats?city=berlin.",
        )
    return text


def is_web_address(url: str) -> bool:
    """Whether an address is http or https with a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def absolute(base: str, reference: str | None) -> str | None:
    """`reference` as a page at `base` links it, or None when that is not a web address."""
    if reference is None or not reference.strip():
        return None
    try:
        joined = urljoin(base, reference.strip())
    except ValueError:
        return None
    return joined if is_web_address(joined) else None


def origin(url: str) -> str:
    """Scheme, host and port: what one robots.txt governs."""
    parts = urlsplit(url)
    return f"{parts.scheme.lower()}://{_host_and_port(parts)}"


def host(url: str) -> str:
    """Host and port, without a default port."""
    return _host_and_port(urlsplit(url))


def belongs_to(address: str, hosts: Iterable[str]) -> bool:
    """Whether an address lies on one of these hosts, given without port, or below one."""
    name = (urlsplit(address).hostname or "").lower()
    return any(name == known or name.endswith(f".{known}") for known in hosts)


def is_same_site(one: str, other: str) -> bool:
    """Whether two addresses share their host and port, apart from a leading 'www.'."""
    return host(one).removeprefix("www.") == host(other).removeprefix("www.")


def source_name(url: str) -> str:
    """A source name from the host: 'https://www.example.com/a' -> 'example_com'. Numbers: local_portal."""
    name = (urlsplit(url).hostname or "").removeprefix("www.")
    try:
        ip_address(name)
    except ValueError:
        words = re.sub(r"[^a-z0-9]+", "_", name.encode("idna").decode().lower()).strip("_")
        return (words if words[:1].isalpha() else f"portal_{words}")[:63]
    return _LOCAL_SOURCE


def _host_and_port(parts: SplitResult) -> str:
    name = (parts.hostname or "").lower()
    name = f"[{name}]" if ":" in name else name
    port = parts.port
    return name if port is None or port == _DEFAULT_PORTS.get(parts.scheme.lower()) else f"{name}:{port}"
