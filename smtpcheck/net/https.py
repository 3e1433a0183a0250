"""What does a web server say that proves its name? One small GET over verified TLS, for policies (RFC 8461)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from smtpcheck.core import Kind, Stage
from smtpcheck.net.channel import Channel
from smtpcheck.net.dns import Resolver
from smtpcheck.net.door import Door
from smtpcheck.net.failures import Broken, broken
from smtpcheck.net.http import exchange, public_as
from smtpcheck.wire import ProtocolError, tls, x509

# RFC 8461 section 3.3 suggests a minute; a person does not wait so long
LIMIT = 5.0
PORT = 443


async def fetch(
    door: Door, resolver: Resolver, host: str, path: str, *, near: str, roots: x509.Roots, limit: float = LIMIT
) -> bytes:
    """The body; no redirects (RFC 8461 section 3.3), bounded bytes and time, and no address less public than `near`.

    Raises Broken for what the server or its certificate did, CouldNotAsk for what our side could not.
    """
    address = await public_as(resolver, near, host)
    stream = await door.connect(host, address, PORT, limit)
    try:
        async with asyncio.timeout(limit):
            return await _verified_get(Channel(stream), host, path, roots)
    except TimeoutError as error:
        raise Broken(Stage.POLICY, Kind.TIMEOUT, f"no answer in {limit:g} s") from error
    except tls.TlsError as error:
        raise Broken(Stage.POLICY, error.kind, error.detail) from error
    except ProtocolError as error:
        raise Broken(Stage.POLICY, Kind.GARBAGE, str(error)) from error
    except OSError as error:
        raise broken(Stage.POLICY, error) from error
    finally:
        stream.close()


async def _verified_get(channel: Channel, host: str, path: str, roots: x509.Roots) -> bytes:
    session = await channel.upgrade(host, LIMIT)
    verdict = x509.verify(session.chain, host, roots, datetime.now(UTC))
    if not verdict.verified:
        flaw = verdict.flaws[0].text if verdict.flaws else "it is for another name"
        raise Broken(Stage.POLICY, Kind.UNVERIFIED, f"the certificate of {host} does not verify: {flaw}")
    return await exchange(
        channel, f"GET {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: smtpcheck\r\n\r\n".encode("ascii")
    )
