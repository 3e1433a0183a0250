"""Where does a client fetch the intermediate that a server forgot to send? From a web site on loopback."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.servers.daemon import LOOPBACK

PATH = "/intermediate.der"


@dataclass(slots=True)
class Issuer:
    """A running site: `body` is what it serves, `asked` the paths of the requests so far."""

    url: str
    body: bytes = b""
    asked: list[str] = field(default_factory=list)


class _Site(http.server.ThreadingHTTPServer):
    daemon_threads = True
    issuer: Issuer


class _Page(http.server.BaseHTTPRequestHandler):
    server: _Site

    def do_GET(self) -> None:
        issuer = self.server.issuer
        issuer.asked.append(self.path)
        found = self.path == PATH and bool(issuer.body)
        self.send_response(200 if found else 404)
        # RFC 5280 section 4.2.2.1: a single DER certificate
        self.send_header("Content-Type", "application/pkix-cert")
        self.send_header("Content-Length", str(len(issuer.body) if found else 0))
        self.end_headers()
        if found:
            self.wfile.write(issuer.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def issuer_site() -> Iterator[Issuer]:
    """A web site on a free port of 127.0.0.1; 404 until it has a body, and for every other path."""
    with _Site((LOOPBACK, 0), _Page) as site:
        site.issuer = Issuer(f"http://{LOOPBACK}:{site.server_port}{PATH}")
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield site.issuer
        finally:
            site.shutdown()
            thread.join(10)
