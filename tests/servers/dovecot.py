"""How does Dovecot run for the tests: SASL server of Postfix, mailbox of its mail, and IMAP to fetch it?"""

from __future__ import annotations

import contextlib
import os
import pwd
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from tests.servers.certificates import Pair
from tests.servers.daemon import LOOPBACK, Endpoint, folder, free_ports, greets, listens, program, running

MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")
DOMAIN = "postfix.test"
USER = f"me@{DOMAIN}"
LATE = f"slow@{DOMAIN}"
"""Another address of the same mailbox, without a login."""
SLOW = 3.0
"""Seconds until the slow LMTP socket answers."""
PASSWORD = 'Trom/bone+9="x'
JUNK, ARCHIVE, NON_ASCII = "Junk", "Archive", "重要"
MODULES = {"imap": "dovecot-imapd", "lmtp": "dovecot-lmtpd"}
"""Program in /usr/lib/dovecot -> the Debian package it comes with."""
HOSTS: Mapping[str, str] = {
    "good": f"imap.{DOMAIN}",
    "missing-intermediate": f"imap-incomplete.{DOMAIN}",
    "wrong-host": f"imap-elsewhere.{DOMAIN}",
}
"""Certificate -> the host name (SNI) for which it is shown; the first is shown for every other name too."""

_OWNER = "nobody"
_CONF = """\
base_dir = {home}/run
state_dir = {home}/state
instance_name = smtpcheck
log_path = /dev/stderr
hostname = {host}
protocols = imap lmtp
listen = {address}
auth_mechanisms = {mechanisms}
# the default adds 2 s to a refused login; with 0 it is answered at the next half second
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = username_format=%u {home}/users
}}
userdb {{
  driver = static
  args = uid={owner} gid=nogroup home={home}/mail
}}
service auth {{
  unix_listener {home}/auth {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
# refused logins of one address are delayed up to 15 s (auth penalty)
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}

ssl = yes
ssl_cert = <{chain}
ssl_key = <{key}
{names}
service imap-login {{
  inet_listener imap {{
    port = {starttls}
  }}
  inet_listener imaps {{
    port = {implicit}
    ssl = yes
  }}
}}
service lmtp {{
  unix_listener {home}/lmtp {{
    mode = 0666
  }}
}}
service slow-lmtp {{
  executable = {home}/slow-lmtp
  client_limit = 1
  service_count = 1
  unix_listener {home}/slow {{
    mode = 0666
  }}
}}

mail_location = maildir:~/Maildir:LAYOUT=fs:UTF-8
recipient_delimiter = +
lmtp_save_to_detail_mailbox = yes
namespace inbox {{
  inbox = yes
  separator = /
  mailbox {junk} {{
    auto = subscribe
    special_use = \\Junk
  }}
  mailbox {archive} {{
    auto = subscribe
    special_use = \\Archive
  }}
  mailbox "{non_ascii}" {{
    auto = subscribe
  }}
}}
"""
_NAME = """\
local_name {host} {{
  ssl_cert = <{chain}
  ssl_key = <{key}
}}
"""
_OTHER = """\
Return-Path: <somebody@elsewhere.example>\r
Date: {date}\r
From: somebody@elsewhere.example\r
To: {user}\r
Subject: Another message {number}\r
Message-ID: <{unique}@elsewhere.example>\r
{headers}\r
Not the one that is looked for.\r
"""


@dataclass(frozen=True, slots=True)
class Dovecot:
    """A running Dovecot: IMAP for one user, LMTP and SASL on Unix sockets."""

    ports: Mapping[str, int]
    """IMAP: "starttls" (which needs no TLS from this machine) and "implicit"."""
    auth: Path
    lmtp: Path
    slow: Path
    """LMTP that takes SLOW seconds to greet."""
    maildir: Path
    log: Path
    ca_file: Path
    """The root which the certificates lead to, as PEM."""
    host: str = HOSTS["good"]
    user: str = USER
    password: str = PASSWORD
    junk: str = JUNK
    archive: str = ARCHIVE
    non_ascii: str = NON_ASCII

    def endpoint(self, certificate: str = "good", service: str = "implicit") -> Endpoint:
        """Where IMAP listens, and the name to ask for to be shown that certificate; KeyError when there is none."""
        return Endpoint(HOSTS[certificate], LOOPBACK, self.ports[service], service, certificate)

    def fill_mailbox(self, count: int, mailbox: str = "INBOX", *, age: float = 86400.0, headers: str = "") -> None:
        """Put that many unread messages of others beside what is there, received `age` seconds ago.

        `headers` are further lines, each ended by CRLF, such as another run's token.
        """
        owner = pwd.getpwnam(_OWNER)
        new = _folders(self.maildir if mailbox == "INBOX" else self.maildir / mailbox, owner)
        received = time.time() - age
        date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(received))
        for number in range(count):
            unique = uuid4().hex
            text = _OTHER.format(date=date, user=self.user, number=number, unique=unique, headers=headers)
            # written elsewhere and moved, so that it is never seen half written: maildir(5)
            written = new.with_name("tmp") / unique
            written.write_text(text, encoding="utf-8", newline="")
            os.chown(written, owner.pw_uid, owner.pw_gid)
            os.utime(written, (received, received))
            written.rename(new / f"{received:.0f}.{unique}.{self.host}")


def _folders(mailbox: Path, owner: pwd.struct_passwd) -> Path:
    """The folder for new mail of a mailbox, made if Dovecot has not yet."""
    for path in (mailbox, *(mailbox / name for name in ("cur", "tmp", "new"))):
        if not path.exists():
            path.mkdir(0o700)
            os.chown(path, owner.pw_uid, owner.pw_gid)
    return mailbox / "new"


def _configure(home: Path, ports: Mapping[str, int], tls: Mapping[str, Pair]) -> Path:
    owner = pwd.getpwnam(_OWNER)
    for path in (home / "mail", home / "mail" / "Maildir"):
        path.mkdir(0o700)
        os.chown(path, owner.pw_uid, owner.pw_gid)
    users, slow = home / "users", home / "slow-lmtp"
    # "!" matches no password: crypt(5)
    users.write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n{LATE}:!\n")
    users.chmod(0o644)
    slow.write_text(f'#!/bin/sh\nsleep {SLOW}\nexec /usr/lib/dovecot/lmtp "$@"\n')
    slow.chmod(0o755)
    named = [_NAME.format(host=HOSTS[kind], chain=chain, key=key) for kind, (chain, key) in tls.items()]
    chain, key = tls["good"]
    known = {"home": home, "host": HOSTS["good"], "address": LOOPBACK, "owner": _OWNER, "chain": chain, "key": key}
    known |= {"mechanisms": " ".join(MECHANISMS).lower(), "names": "".join(named), "non_ascii": NON_ASCII}
    known |= {"junk": JUNK, "archive": ARCHIVE}
    conf = home / "dovecot.conf"
    conf.write_text(_CONF.format(**known, **ports), encoding="utf-8")
    return conf


@contextlib.contextmanager
def dovecot(tls: Mapping[str, Pair], ca_file: Path) -> Iterator[Dovecot]:
    """Dovecot, knowing USER and PASSWORD; `tls` gives each certificate of HOSTS its chain and key (PEM)."""
    ports = dict(zip(("starttls", "implicit"), free_ports(2), strict=True))
    with folder("dovecot") as home:
        conf, log = _configure(home, ports, tls), home / "log"
        auth, lmtp, slow = (home / name for name in ("auth", "lmtp", "slow"))

        def ready() -> bool:
            return listens(auth) and listens(lmtp) and greets(ports["starttls"], b"* OK ")

        with running([program("dovecot") or "dovecot", "-F", "-c", str(conf)], log, ready):
            yield Dovecot(ports, auth, lmtp, slow, home / "mail" / "Maildir", log, ca_file)
