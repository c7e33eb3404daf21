"""Which machines a crawl may reach: public ones, and those private ones that the operator names."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self
from urllib.parse import urlsplit

from loaders.errors import RefusedAddressError, UsageError

Address = IPv4Address | IPv6Address

EVERYTHING = "all"

NOT_OPENED = "is not opened"
"""In the reason why a page was not fetched: the guard refused where it leads."""

_VARIABLE = "PROPERTY_ALLOW_PRIVATE_NETWORK"
_UNREACHABLE = {
    ip_network(network): meaning
    for network, meaning in {
        "0.0.0.0/8": "an address of this machine",
        "10.0.0.0/8": "a private address",
        "100.64.0.0/10": "an address inside a provider's network",
        "127.0.0.0/8": "a loopback address",
        "168.63.129.16/32": "an address inside a cloud machine",
        "169.254.0.0/16": "a link-local address",
        "172.16.0.0/12": "a private address",
        "192.0.0.0/24": "a reserved address",
        "192.0.2.0/24": "a reserved address",
        "192.88.99.0/24": "an address of a tunnel",
        "192.168.0.0/16": "a private address",
        "198.18.0.0/15": "a reserved address",
        "198.51.100.0/24": "a reserved address",
        "203.0.113.0/24": "a reserved address",
        "224.0.0.0/4": "a multicast address",
        "240.0.0.0/4": "a reserved address",
        "::/128": "an address of this machine",
        "::1/128": "a loopback address",
        "fc00::/7": "a private address",
        "fe80::/10": "a link-local address",
        "fec0::/10": "a private address",
        "ff00::/8": "a multicast address",
        "2001::/23": "a reserved address",
        "2001:db8::/32": "a reserved address",
        "2002::/16": "an address of a tunnel",
        "3fff::/20": "a reserved address",
    }.items()
}
_PUBLIC_IPV6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True)
class Allowance:
    """A private network that may be reached, at one port or at all."""

    network: IPv4Network | IPv6Network
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """An address or a network, an address also with a port: 10.2.0.0/16, 127.0.0.1:8100, [::1]:8100."""
        try:
            if "/" in text or (text.count(":") > 1 and "]" not in text):
                return cls(ip_network(text))
            parts = urlsplit(f"//{text}")
            return cls(ip_network(parts.hostname or ""), parts.port)
        except ValueError as error:
            raise UsageError(
                f"{text!r} is not an address or network that can be allowed",
                f"Name it by numbers, for example 10.2.0.0/16 or 127.0.0.1:8100, or say {EVERYTHING}.",
            ) from error

    def covers(self, address: Address, port: int) -> bool:
        """Whether an address and port are meant."""
        return address in self.network and self.port in (None, port)


@dataclass(frozen=True)
class NetworkGuard:
    """Judges every address when it is connected to, so that no spelling, name or redirect gets around it."""

    allowances: tuple[Allowance, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """A guard that lets through what a list separated by commas names; 'all' is every address."""
        names = [name.strip() for name in text.split(",") if name.strip()]
        if EVERYTHING in names:
            return cls((Allowance(IPv4Network("0.0.0.0/0")), Allowance(IPv6Network("::/0"))))
        return cls(tuple(map(Allowance.parse, names)))

    @classmethod
    def configured(cls) -> Self:
        """The guard that PROPERTY_ALLOW_PRIVATE_NETWORK describes; unset, public addresses alone."""
        return cls.parse(os.environ.get(_VARIABLE, ""))

    def refusal(self, address: Address, port: int) -> str | None:
        """Why an address is not connected to; None when it may be."""
        target = _unwrapped(address)
        meaning = _meaning(target)
        if meaning is None or any(allowance.covers(target, port) for allowance in self.allowances):
            return None
        return f"{address} is {meaning}"

    async def addresses(self, host: str, port: int) -> list[str]:
        """The numeric addresses of a host that may be connected to, in the resolver's order.

        Connect to these and never to the name, which may resolve to something else the next time. Raises
        RefusedAddressError when none may be connected to, OSError when the name does not resolve.
        """
        found = await _resolved(host, port)
        refusals = {text: self.refusal(ip_address(text), port) for text in found}
        allowed = [text for text in found if refusals[text] is None]
        if not allowed:
            raise RefusedAddressError(
                f"{host}:{port} {NOT_OPENED}: {', '.join(filter(None, refusals.values()))}",
                "Only public addresses are opened. --allow-private-network opens private ones that you trust.",
            )
        return allowed


@contextmanager
def allowing(networks: str) -> Iterator[None]:
    """Let crawls of this process, and of those it starts, reach what a list names; checked as `NetworkGuard.parse`."""
    NetworkGuard.parse(networks)
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = networks
    try:
        yield
    finally:
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before


async def _resolved(host: str, port: int) -> list[str]:
    with suppress(ValueError):
        return [str(ip_address(host))]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host!r} is not a host name") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 one only wraps."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address


def _meaning(address: Address) -> str | None:
    """What an address is when it is not public."""
    meaning = next((meaning for network, meaning in _UNREACHABLE.items() if address in network), None)
    if meaning is None and isinstance(address, IPv6Address) and address not in _PUBLIC_IPV6:
        return "a reserved address"
    return meaning
