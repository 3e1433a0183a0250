"""What does a web server say that proves its name? One small GET over verified TLS, for policies (RFC 8461)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from smtpcheck.core import Kind, Stage, because
from smtpcheck.net.channel import Channel
from smtpcheck.net.door import MAX_HTTP, Door, http_body
from smtpcheck.net.failures import Broken, broken
from smtpcheck.wire import ProtocolError, tls, x509

# RFC 8461 section 3.3 suggests a minute; a person does not wait so long
LIMIT = 5.0
PORT = 443


async def fetch(door: Door, host: str, path: str, *, near: str, roots: x509.Roots, limit: float = LIMIT) -> bytes:
    """The body; no redirects (RFC 8461 section 3.3), bounded bytes and time, and no address less public than `near`.

    Raises Broken for what the server or its certificate did, CouldNotAsk for what our side could not.
    """
    address = await door.public_as(near, host)
    stream = await door.connect(host, address, PORT, limit)
    try:
        async with asyncio.timeout(limit):
            return await _exchange(Channel(stream), host, path, roots)
    except TimeoutError as error:
        raise Broken(Stage.POLICY, Kind.TIMEOUT, because("no-answer", waited=limit)) from error
    except tls.TlsError as error:
        raise Broken(Stage.POLICY, error.kind, error.reason) from error
    except ProtocolError as error:
        raise Broken(Stage.POLICY, Kind.GARBAGE, error.reason) from error
    except OSError as error:
        raise broken(Stage.POLICY, error) from error
    finally:
        stream.close()


async def _exchange(channel: Channel, host: str, path: str, roots: x509.Roots) -> bytes:
    session = await channel.upgrade(host, LIMIT)
    verdict = x509.verify(session.chain, host, roots, datetime.now(UTC))
    if not verdict.verified:
        flaw = next((flaw.text for flaw in verdict.flaws), "")
        other = because("certificate-other-name", at=host)
        reason = because("certificate-unverified", at=host, flaw=flaw) if flaw else other
        raise Broken(Stage.POLICY, Kind.UNVERIFIED, reason)
    await channel.write(f"GET {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: smtpcheck\r\n\r\n".encode("ascii"))
    data = b""
    while chunk := await channel.read():
        data += chunk
        if len(data) > MAX_HTTP:
            raise ProtocolError(f"more than {MAX_HTTP} bytes", because("http-too-long", limit=MAX_HTTP))
    return http_body(data)
