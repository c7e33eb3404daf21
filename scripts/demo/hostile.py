"""A portal that means harm: adverts among traps, which try to reach further or to cost more than a page may."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle, repeat
from threading import Thread
from typing import NamedTuple, Self
from urllib.parse import urlsplit

ADVERTS = 6

_HTML = {"Content-Type": "text/html; charset=utf-8"}
_STATUSES = (301, 302, 303, 307, 308)
_MEGABYTE = bytes(1024 * 1024)
_READY_TO_RENDER = "<!DOCTYPE html><title>Flat</title><main></main>"


class Target(NamedTuple):
    """A machine that only its own network should reach, at 127.0.0.2 and at 127.0.0.1."""

    port: int
    datagram_port: int

    @property
    def url(self) -> str:
        """Its address, plainly written."""
        return f"http://127.0.0.2:{self.port}"

    @property
    def spellings(self) -> dict[str, str]:
        """Ways to write where it is in a redirect."""
        return {
            "dotted": f"http://127.0.0.2:{self.port}/",
            "decimal": f"http://2130706434:{self.port}/",
            "hexadecimal": f"http://0x7f000002:{self.port}/",
            "octal": f"http://0177.0.0.02:{self.port}/",
            "short": f"http://127.2:{self.port}/",
            "mixed": f"http://0x7f.2:{self.port}/",
            "mapped": f"http://[::ffff:127.0.0.2]:{self.port}/",
            "mapped-hexadecimal": f"http://[::FFFF:7F00:2]:{self.port}/",
            "user": f"http://portal.example@127.0.0.2:{self.port}/",
            "scheme-relative": f"//127.0.0.2:{self.port}/",
            "full-width": f"http://１２７.０.０.２:{self.port}/",
            "upper-case": f"HTTP://127.0.0.2:{self.port}/",
            "name": f"http://localhost:{self.port}/",
            "any-address": f"http://0.0.0.0:{self.port}/",
            "mapped-any-address": f"http://[::ffff:0.0.0.0]:{self.port}/",
        }


@dataclass(frozen=True)
class Answer:
    """What one page answers; `pieces` are sent until they end or the visitor leaves."""

    pieces: Callable[[], Iterator[bytes]]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: _HTML)


class HostilePortal:
    """The portal on loopback, under `url` once it is entered as a context manager; its results begin at /flats."""

    def __init__(self, target: Target) -> None:
        """`target` is what the traps try to reach."""
        self.requests: list[str] = []
        self.pages = {**_adverts(), **_redirects(target), **_heavy_pages(), **_scripts(target)}
        self.pages["/flats"] = _results([path for path in self.pages if not path.startswith("/part/")])
        portal = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                portal.requests.append(self.path)
                answer = portal.pages.get(urlsplit(self.path).path) or _text("there is no such page", 404)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value.encode().decode("latin-1"))
                self.end_headers()
                try:
                    for piece in answer.pieces():
                        self.wfile.write(piece)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        """Start answering."""
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


def _text(text: str, status: int = 200, **headers: str) -> Answer:
    content = {"Content-Length": str(len(text.encode()))}
    return Answer(lambda: iter([text.encode()]), status, {**_HTML, **content, **headers})


def _json_ld(document: object) -> str:
    return f'<script type="application/ld+json">{json.dumps(document)}</script>'


def _results(paths: list[str]) -> Answer:
    items = [{"@type": "ListItem", "url": path} for path in paths]
    return _text(_json_ld({"@type": "ItemList", "itemListElement": items}))


def _adverts() -> dict[str, Answer]:
    return {
        f"/advert/{number}": _text(
            _json_ld({"@type": "Apartment", "identifier": f"flat-{number}", "offers": {"price": 100_000 + number}})
        )
        for number in range(ADVERTS)
    }


def _redirects(target: Target) -> dict[str, Answer]:
    """Redirects to each spelling of the target by every status there is, by two steps, to a file, and without end."""
    spelled = {
        f"/redirect/{name}": _text("", status, Location=address)
        for (name, address), status in zip(target.spellings.items(), cycle(_STATUSES), strict=False)
    }
    stairs = {f"/part/stairs/{step}": _text("", 302, Location=f"/part/stairs/{step + 1}") for step in range(50)}
    return {
        **spelled,
        **stairs,
        "/redirect/chain": _text("", 302, Location="/part/chain"),
        "/part/chain": _text("", 307, Location=f"{target.url}/chain"),
        "/redirect/file": _text("", 302, Location="file:///etc/passwd"),
        "/redirect/stairs": _text("", 302, Location="/part/stairs/0"),
    }


def _heavy_pages() -> dict[str, Answer]:
    """Pages that never end, or unfold to far more than they were."""
    packed = {**_HTML, "Content-Encoding": "gzip"}
    houses = ", ".join(['{"@type": "House", "url": "/1"}'] * 20_000)
    return {
        "/heavy/endless": Answer(lambda: repeat(b"<p>and more</p>" * 1_000)),
        "/heavy/slow": Answer(_slowly),
        "/heavy/bomb": Answer(_bomb, headers=packed),
        "/heavy/double-bomb": Answer(_bomb, headers={**packed, "Content-Encoding": "gzip, gzip"}),
        "/heavy/deep": _text("<div>" * 500_000),
        "/heavy/deep-data": _text('<script type="application/ld+json">' + "[" * 200_000 + "</script>"),
        "/heavy/microdata": _text("<div itemscope itemprop=a>" * 400),
        "/heavy/itemprops": _text("<div itemscope>" + "<div itemprop=a>" * 500 + "and more " * 50_000),
        "/heavy/names": _text("<div itemscope itemprop='a b c d e f g h'>" * 32),
        "/heavy/blocks": _text('<script type="application/ld+json">{"@type": "House"}</script>' * 10_000),
        "/heavy/houses": _text(f'<script type="application/ld+json">[{houses}]</script>'),
    }


def _slowly() -> Iterator[bytes]:
    for letter in repeat(b"x"):
        time.sleep(0.05)
        yield letter


def _bomb() -> Iterator[bytes]:
    packer = zlib.compressobj(9, wbits=31)
    return (packer.compress(_MEGABYTE) + packer.flush(zlib.Z_SYNC_FLUSH) for _ in range(4 * 1024))


def _scripts(target: Target) -> dict[str, Answer]:
    """Pages that only a browser would fill, and what they do with it."""
    sources = {
        "endless": "for (;;);",
        "alerts": "for (;;) alert('stay');",
        "greedy": "const kept = []; for (;;) kept.push(new Array(1e6).fill(1));",
        "buffers": "const kept = []; for (;;) kept.push(new Uint8Array(5e7).fill(1));",
        "deep": "let e = document.body; for (let i = 0; i < 5e4; i++) e = e.appendChild(document.createElement('b'));",
        "file": "location = 'file:///etc/passwd';",
        "navigation": f"location = '{target.url}/navigation';",
        "requests": _reaching_out(target),
    }
    pages = {
        f"/script/{name}": _text(f"{_READY_TO_RENDER}<script>{source}</script>") for name, source in sources.items()
    }
    # Each asks for a page of its own: a browser asks but once for one that it is waiting for.
    framed = [address + name for name, address in target.spellings.items()]
    frames = "".join(f'<iframe src="{address}"></iframe>' for address in [*framed, "file:///etc"])
    refresh = f'<meta http-equiv="refresh" content="0; url={target.url}/refresh">'
    packed = {"Content-Type": "text/javascript", "Content-Encoding": "gzip"}
    return {
        **pages,
        "/script/frames": _text(_READY_TO_RENDER + frames),
        "/script/refresh": _text(_READY_TO_RENDER + refresh),
        "/script/bomb": _text(f'{_READY_TO_RENDER}<script src="/part/bomb.js"></script>'),
        "/part/bomb.js": Answer(_bomb, headers=packed),
        "/part/redirect": _text("", 307, Location=f"{target.url}/redirected"),
    }


def _reaching_out(target: Target) -> str:
    host = target.url.removeprefix("http://")
    turn = f"{{urls: 'turn:{host}?transport=tcp', username: 'a', credential: 'b'}}"
    return f"""
        fetch('{target.url}/fetch').catch(() => 0);
        fetch('/part/redirect').catch(() => 0);
        navigator.sendBeacon('{target.url}/beacon', 'x');
        new WebSocket('ws://{host}/socket');
        new EventSource('{target.url}/events');
        new Worker(URL.createObjectURL(new Blob(["fetch('{target.url}/worker')"])));
        open('{target.url}/window');
        const servers = [{{urls: 'stun:127.0.0.2:{target.datagram_port}'}}, {turn}];
        const call = new RTCPeerConnection({{iceServers: servers}});
        call.createDataChannel('data');
        call.createOffer().then(offer => call.setLocalDescription(offer));
        document.head.insertAdjacentHTML('beforeend', '<link rel=stylesheet href="{target.url}/style">');
        document.body.insertAdjacentHTML('beforeend', '<img src="{target.url}/image">');
        document.body.insertAdjacentHTML('beforeend', '<object data="{target.url}/object">');
    """
