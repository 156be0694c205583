"""Connections of requests, which exchangelib and msal ask with: a watchdog knows each socket."""

from __future__ import annotations

from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.util.ssl_ import create_urllib3_context

from mailflow.transports.web import watched
from mailflow.transports.wire import Watchdog


class WatchedAdapter(HTTPAdapter):
    """One connection, nothing repeated. A timeout of requests begins anew with every byte: the watchdog's does not."""

    def __init__(self, watchdog: Watchdog) -> None:
        self._watchdog = watchdog
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0, pool_block=True)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._tell_of(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        new = proxy not in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **kwargs)
        if new:
            self._tell_of(manager)
        return manager

    def _tell_of(self, manager: Any) -> None:
        pools = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {scheme: self._telling(pool) for scheme, pool in pools.items()}

    def _telling(self, pool: Any) -> type:
        watchdog, kind = self._watchdog, pool.ConnectionCls

        def connect(connection: Any) -> None:
            if hasattr(connection, "ssl_context"):
                connection.ssl_context = watched(connection.ssl_context or create_urllib3_context(), watchdog)
            kind.connect(connection)
            watchdog.watch(connection.sock)

        return type(pool.__name__, (pool,), {"ConnectionCls": type(kind.__name__, (kind,), {"connect": connect})})
