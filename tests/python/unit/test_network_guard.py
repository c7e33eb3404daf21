"""Which addresses a crawl opens, however they are written and whatever leads there."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address

import pytest

from loaders.errors import RefusedAddressError, UsageError
from loaders.network_guard import NetworkGuard, allowing

PUBLIC = NetworkGuard()


@pytest.mark.parametrize(
    "address",
    [
        *("1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "192.0.1.1", "223.255.255.255"),
        *("2606:4700::1111", "2a00:1450:4001::200e", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"),
    ],
)
def test_public_addresses_are_opened(address: str) -> None:
    assert PUBLIC.refusal(ip_address(address), 443) is None


@pytest.mark.parametrize(
    ("address", "meaning"),
    [
        ("0.0.0.0", "this machine"),
        ("0.1.2.3", "this machine"),
        ("10.255.255.255", "private"),
        ("100.64.0.1", "provider's network"),
        ("100.127.255.255", "provider's network"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("168.63.129.16", "cloud machine"),
        ("169.254.169.254", "link-local"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.0.0.192", "reserved"),
        ("192.168.0.1", "private"),
        ("198.19.255.255", "reserved"),
        ("203.0.113.7", "reserved"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.250", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("::", "this machine"),
        ("::1", "loopback"),
        ("::7f00:1", "reserved"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "link-local"),
        ("::ffff:0:10.0.0.1", "reserved"),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b:1::10.0.0.1", "reserved"),
        ("100::1", "reserved"),
        ("2001::1", "reserved"),
        ("2001:db8::1", "reserved"),
        ("2002:7f00:1::1", "tunnel"),
        ("2002:808:808::1", "tunnel"),
        ("3fff::1", "reserved"),
        ("5f00::1", "reserved"),
        ("fc00::1", "private"),
        ("fd00:ec2::254", "private"),
        ("fe80::1", "link-local"),
        ("fe80::1%2", "link-local"),
        ("fec0::1", "private"),
        ("ff02::1", "multicast"),
    ],
)
def test_other_addresses_are_refused(address: str, meaning: str) -> None:
    assert meaning in (PUBLIC.refusal(ip_address(address), 443) or "")


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "0"),
        *("localhost", "LOCALHOST", "::1", "0:0:0:0:0:0:0:1", "::ffff:7f00:1", "::"),
    ],
)
def test_spellings_of_this_machine_are_refused(host: str) -> None:
    with pytest.raises(RefusedAddressError, match=r"is not opened: .+ (loopback address|address of this machine)"):
        asyncio.run(PUBLIC.addresses(host, 80))


def test_a_name_leads_only_to_its_public_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = ["10.0.0.1", "2606:4700::1111", "1.1.1.1", "169.254.169.254", "1.1.1.1"]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", (text, 80)) for text in answer])

    assert asyncio.run(PUBLIC.addresses("portal.example", 80)) == ["2606:4700::1111", "1.1.1.1"]


def test_every_refused_address_of_a_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = ["10.0.0.1", "fe80::1"]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", (text, 80)) for text in answer])

    with pytest.raises(RefusedAddressError, match=r"10\.0\.0\.1 is a private address, fe80::1 is a link-local address"):
        asyncio.run(PUBLIC.addresses("portal.example", 80))


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example", "nowhere.invalid"])
def test_names_without_an_address_are_no_connection(host: str) -> None:
    with pytest.raises(OSError, match=r".+"):
        asyncio.run(PUBLIC.addresses(host, 80))


@pytest.mark.parametrize(
    ("allowed", "address", "port", "is_opened"),
    [
        ("127.0.0.1", "127.0.0.1", 1, True),
        ("127.0.0.1", "::ffff:127.0.0.1", 1, True),
        ("127.0.0.1", "127.0.0.2", 1, False),
        ("127.0.0.1", "::1", 1, False),
        ("127.0.0.1:8100", "127.0.0.1", 8100, True),
        ("127.0.0.1:8100", "127.0.0.1", 8101, False),
        ("[::1]:8100", "::1", 8100, True),
        ("[::1]:8100", "::1", 80, False),
        ("[::1]", "::1", 80, True),
        ("fd00::/8", "fd12::1", 80, True),
        ("10.2.0.0/16", "10.2.255.1", 80, True),
        ("10.2.0.0/16", "10.3.0.1", 80, False),
        ("192.168.1.5, 10.0.0.0/8", "10.3.0.1", 80, True),
        ("all", "169.254.169.254", 80, True),
        ("10.0.0.1,all", "::1", 80, True),
        ("", "10.0.0.1", 80, False),
    ],
)
def test_allowances(allowed: str, address: str, port: int, is_opened: bool) -> None:
    assert (NetworkGuard.parse(allowed).refusal(ip_address(address), port) is None) is is_opened


@pytest.mark.parametrize(
    "text", ["localhost", "10.2.3.4/16", "10.0.0.0/33", "127.0.0.1:65536", "127.0.0.1:http", "[::1", "*"]
)
def test_what_cannot_be_allowed(text: str) -> None:
    with pytest.raises(UsageError, match="not an address or network that can be allowed"):
        NetworkGuard.parse(text)


def test_allowing_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROPERTY_ALLOW_PRIVATE_NETWORK", "10.0.0.1")
    with allowing("127.0.0.1:8100"):
        assert NetworkGuard.configured() == NetworkGuard.parse("127.0.0.1:8100")
    assert NetworkGuard.configured() == NetworkGuard.parse("10.0.0.1")
    monkeypatch.delenv("PROPERTY_ALLOW_PRIVATE_NETWORK")
    with allowing("all"):
        pass
    assert NetworkGuard.configured() == PUBLIC
