"""What does a well-behaved submission server do? aiosmtpd in our own loop, with an account table."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Mapping
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from smtpcheck.core import Mode
from smtpcheck.lab.ledger import Ledger, Message
from smtpcheck.lab.listeners import LOOPBACK

_MOST_MESSAGE = 10_485_760
_SECONDS = 60.0

# aiosmtpd logs failed handshakes and every login; without a handler Python would print them on stderr
logging.getLogger("mail.log").addHandler(logging.NullHandler())


class GoodServer:
    """A submission server (with `accounts`) or a mail exchanger (without) on a free port.

    AUTH is offered over TLS only, and without a login no mail is taken where there are accounts.
    """

    def __init__(
        self,
        *,
        mode: Mode = Mode.STARTTLS,
        host: str = "smtp.lab.test",
        context: ssl.SSLContext | None = None,
        accounts: Mapping[str, str] | None = None,
    ) -> None:
        self.ledger = Ledger()
        self.mode = mode
        self.host = host
        self.context = context
        self.accounts = dict(accounts or {})
        self.open: set[_Conversation] = set()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Conversation(self), LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and end every conversation."""
        if self._server is None:
            return
        self._server.close()
        gone = [conversation.gone for conversation in self.open]
        for conversation in tuple(self.open):
            conversation.abort()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, *gone, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def owns(self, task: asyncio.Task[Any]) -> None:
        """Keep a conversation's task until it ends, and hear how it ended: a failed handshake is the peer's affair."""
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled():
            task.exception()

    async def handle_EHLO(  # noqa: N802 - aiosmtpd finds its hooks by these names
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Without accounts there is no AUTH, where aiosmtpd offers one without mechanisms."""
        session.host_name = hostname
        return [line for line in responses if self.accounts or not line.startswith("250-AUTH")]

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """RFC 4954 section 6: 530 without a login."""
        if self.accounts and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the message."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        self.ledger.took(Message(envelope.mail_from or "", tuple(envelope.rcpt_tos), content))
        return "250 2.0.0 Ok: queued"

    def handle_STARTTLS(self, server: SMTP, session: Session, envelope: Envelope) -> bool:  # noqa: N802
        """Note the version."""
        self.ledger.handshakes.append(session.ssl["ssl_object"].version() if session.ssl else "")
        return True

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        """Look into the account table."""
        known = self.accounts.get(data.login.decode("utf-8", "replace"))
        right = known is not None and known.encode() == data.password
        return AuthResult(success=right, handled=False, auth_data=data)


class _Conversation(SMTP):
    """One connection: aiosmtpd's, and what it leaves to its Controller (implicit TLS, a clean end)."""

    def __init__(self, house: GoodServer) -> None:
        implicit = house.mode is Mode.IMPLICIT
        super().__init__(
            house,
            hostname=house.host,
            ident="ESMTP practice",
            data_size_limit=_MOST_MESSAGE,
            tls_context=None if implicit or house.mode is Mode.PLAIN else house.context,
            auth_require_tls=not implicit,
            auth_exclude_mechanism=None if house.accounts else ("PLAIN", "LOGIN"),
            authenticator=house.authenticate,
            command_call_limit=1000,
            timeout=_SECONDS,
            loop=asyncio.get_running_loop(),
        )
        self._house = house
        self.gone: asyncio.Future[None] = self.loop.create_future()
        self._raw: asyncio.Transport | None = None
        self._lines: list[bytes] = []
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The first time raw, a second time when TLS is up."""
        assert isinstance(transport, asyncio.Transport)
        if self._raw is not None:
            super().connection_made(transport)
            return
        self._raw = transport
        self._house.open.add(self)
        self._lines = self._house.ledger.opened()
        if self._house.mode is Mode.IMPLICIT:
            self._house.owns(self.loop.create_task(self._shake(transport)))
        else:
            self._begin(transport)

    def data_received(self, data: bytes) -> None:
        """Note the lines, then let aiosmtpd read them."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._house.ledger.heard(self._lines, line)
        self._rest = self._rest[-_MOST_MESSAGE:]
        super().data_received(data)

    def eof_received(self) -> bool | None:
        """The peer may go before TLS is up."""
        return super().eof_received() if self.session is not None else False

    def connection_lost(self, error: Exception | None) -> None:
        """Close the TLS transport too, which aiosmtpd leaves open."""
        upper = self.transport
        if self.session is not None and not self.gone.done():
            super().connection_lost(error)
        if isinstance(upper, asyncio.Transport):
            upper.close()
        self._left()

    def abort(self) -> None:
        """Cut the connection; `gone` is done after the transport's own farewell."""
        if self._raw is not None:
            self._raw.abort()
        # asyncio tells nobody above when a line is lost in mid-handshake
        self.loop.call_soon(self._left)

    def _left(self) -> None:
        self._house.open.discard(self)
        if not self.gone.done():
            self.gone.set_result(None)

    async def _shake(self, transport: asyncio.Transport) -> None:
        context = self._house.context
        assert context is not None
        upper = None
        try:
            with contextlib.suppress(OSError, EOFError):
                upper = await self.loop.start_tls(transport, self, context, server_side=True)
        finally:
            if upper is None:
                transport.abort()
                self._left()
        if upper is not None:
            self._house.ledger.handshakes.append(upper.get_extra_info("ssl_object").version())
            self._begin(upper)

    def _begin(self, transport: asyncio.Transport) -> None:
        if transport.is_closing() or self.gone.done():
            transport.close()
            return
        super().connection_made(transport)
        if self._handler_coroutine is not None:
            self._house.owns(self._handler_coroutine)
