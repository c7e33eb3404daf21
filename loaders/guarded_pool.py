"""Connections of the HTTP client: opened by number, to addresses that the guard lets through, without proxies."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable

import certifi
import httpcore

from loaders.network_guard import NetworkGuard

_SocketOptions = Iterable[httpcore.SOCKET_OPTION]


def guarded_pool(guard: NetworkGuard) -> httpcore.AsyncConnectionPool:
    """Connections that all pass the guard. Certificates are checked against the name that was asked.

    Authorities are those of certifi, or of SSL_CERT_FILE and SSL_CERT_DIR.
    """
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    context = ssl.create_default_context(cafile=file if file or folder else certifi.where(), capath=folder)
    return httpcore.AsyncConnectionPool(ssl_context=context, network_backend=_GuardedBackend(guard))


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    def __init__(self, guard: NetworkGuard) -> None:
        self._guard = guard
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: _SocketOptions | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers. Raises RefusedAddressError when none may be asked."""
        try:
            addresses = await self._guard.addresses(host, port)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        """Wait between two tries to connect."""
        await self._network.sleep(seconds)
