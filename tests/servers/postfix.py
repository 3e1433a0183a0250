"""How does a real Postfix run for the tests: every service and certificate in one instance, and no mail ever out?"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers.certificates import Pair
from tests.servers.daemon import LOOPBACK, Broken, Endpoint, folder, free_ports, greets, program, running
from tests.servers.dovecot import DOMAIN, LATE, PASSWORD, USER, Dovecot

HOST = f"smtp.{DOMAIN}"
SPAM = f"spam@{DOMAIN}"
"""What is sent there lands in Junk; that for LATE in INBOX, some seconds later."""
VOID = f"void@{DOMAIN}"
"""What is sent there is accepted, and never seen again."""
REFUSALS: Mapping[str, str] = {
    f"later@{DOMAIN}": "450 4.2.0 Greylisted, try again in 300 seconds",
    f"full@{DOMAIN}": "552 5.2.2 Mailbox is full",
}
"""Recipients that are not taken, and why; any other unknown one is 550 5.1.1."""
SIZE = 2_000_000
"""Octets a message may have."""
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
"""A message with this line is refused after its data: spamassassin.apache.org/gtube."""

_AUTH = {"smtpd_sasl_auth_enable": "yes"}
_OWN = {"smtpd_tls_security_level": "encrypt", **_AUTH}
SERVICES: Mapping[str, Mapping[str, str]] = {
    "starttls": _OWN,
    "implicit": {"smtpd_tls_wrappermode": "yes", **_OWN},
    "mx": {"smtpd_tls_security_level": "may"},
    "plain": {"smtpd_tls_security_level": "none", "smtpd_tls_auth_only": "no", **_AUTH},
    "optional-tls": {"smtpd_tls_security_level": "may", **_AUTH},
    "no-auth": {"smtpd_tls_security_level": "encrypt"},
    "sasl-down": {**_OWN, "smtpd_sasl_path": "private/nobody-listens"},
}
"""Settings of each service over those of _MAIN; the first two exist for every certificate."""

_MAIN = """\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
meta_directory = /etc/postfix
shlib_directory = /usr/lib/postfix
daemon_directory = /usr/lib/postfix/sbin
maillog_file = {home}/log
maillog_file_prefixes = {home}
myhostname = {host}
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
local_recipient_maps =
alias_maps =
alias_database =
biff = no

# No mail leaves: nothing resolves names, what is not for a mailbox here is discarded, and master.cf has no SMTP client.
smtp_dns_support_level = disabled
smtpd_peername_lookup = no
default_transport = discard:
relay_transport = discard:
local_transport = discard:
virtual_transport = lmtp:unix:{lmtp}
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = texthash:{home}/config/users
virtual_alias_maps = texthash:{home}/config/aliases
transport_maps = texthash:{home}/config/transports
recipient_delimiter = +
message_size_limit = {size}
body_checks = regexp:{home}/config/body
notify_classes =

smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access texthash:{home}/config/refusals
smtpd_sasl_type = dovecot
smtpd_sasl_path = {auth}
smtpd_sasl_security_options = noanonymous
smtpd_tls_auth_only = yes
smtpd_tls_loglevel = 1

# Tests connect more often than a client should (anvil(8)), and err on purpose.
smtpd_error_sleep_time = 0
smtpd_client_connection_count_limit = 0
# "sasl-down" ends its smtpd(8), and master(8) would leave that service alone for 60 s
service_throttle_time = 1s
"""

_MASTER = """\
rewrite   unix       - - n -     -  trivial-rewrite
cleanup   unix       n - n -     0  cleanup
qmgr      unix       n - n 300   1  qmgr
tlsmgr    unix       - - n 1000? 1  tlsmgr
bounce    unix       - - n -     0  bounce
defer     unix       - - n -     0  bounce
trace     unix       - - n -     0  bounce
error     unix       - - n -     -  error
retry     unix       - - n -     -  error
discard   unix       - - n -     -  discard
lmtp      unix       - - n -     -  lmtp
anvil     unix       - - n -     1  anvil
postlog   unix-dgram n - n -     1  postlogd
"""

Endpoints = Mapping[tuple[str, str], int]
"""(certificate, service) -> port."""


@dataclass(frozen=True, slots=True)
class Postfix:
    """A running Postfix with Dovecot for SASL and for the mailbox."""

    ports: Endpoints
    log: Path
    """The mail log."""
    ca_file: Path
    """The root which the certificates lead to, as PEM."""
    domain: str = DOMAIN
    host: str = HOST
    user: str = USER
    password: str = PASSWORD

    def endpoint(self, certificate: str = "good", service: str = "starttls") -> Endpoint:
        """Where that service with that certificate listens; KeyError when there is none."""
        return Endpoint(self.host, LOOPBACK, self.ports[certificate, service], service, certificate)


def choose_ports(certificates: Sequence[str]) -> Endpoints:
    """A free port for every service with the first certificate, and for the first two with the others."""
    everywhere = tuple(SERVICES)[:2]
    wanted = [(certificates[0], service) for service in SERVICES]
    wanted += [(certificate, service) for certificate in certificates[1:] for service in everywhere]
    return dict(zip(wanted, free_ports(len(wanted)), strict=True))


def _service_lines(ports: Endpoints, tls: Mapping[str, Pair]) -> Iterator[str]:
    for (certificate, service), port in ports.items():
        chain, key = tls[certificate]
        yield f"{LOOPBACK}:{port} inet n - n - - smtpd"
        yield f"  -o syslog_name=postfix/{service}/{certificate}"
        yield f"  -o smtpd_tls_cert_file={chain} -o smtpd_tls_key_file={key}"
        yield from (f"  -o {{ {name} = {value} }}" for name, value in SERVICES[service].items())


def _maps(mailbox: Dovecot) -> dict[str, Mapping[str, str]]:
    """The look-up tables in texthash form, by the name of their file."""
    return {
        "users": dict.fromkeys((USER, LATE, VOID), "taken"),
        "aliases": {SPAM: USER.replace("@", f"+{mailbox.junk}@")},
        "transports": {VOID: "discard:silently", LATE: f"lmtp:unix:{mailbox.slow}"},
        "refusals": REFUSALS,
        "body": {f"/^{re.escape(GTUBE)}/": "REJECT this looks like spam"},
    }


def _configure(home: Path, ports: Endpoints, tls: Mapping[str, Pair], mailbox: Dovecot) -> Path:
    config = home / "config"
    for name in ("config", "queue", "data"):
        (home / name).mkdir()
    owner = pwd.getpwnam("postfix")
    (home / "data").chmod(0o700)
    os.chown(home / "data", owner.pw_uid, owner.pw_gid)
    known = {"home": home, "host": HOST, "domain": DOMAIN, "size": SIZE, "auth": mailbox.auth, "lmtp": mailbox.lmtp}
    (config / "main.cf").write_text(_MAIN.format(**known))
    for name, rows in _maps(mailbox).items():
        (config / name).write_text("".join(f"{key} {value}\n" for key, value in rows.items()))
    (config / "master.cf").write_text(_MASTER + "\n".join(_service_lines(ports, tls)) + "\n")
    made = subprocess.run([program("postfix") or "postfix", "-c", config, "check"], capture_output=True, timeout=30)
    if made.returncode:
        raise Broken(f"postfix check: status {made.returncode}\n{made.stderr.decode(errors='replace')}")
    return config


@contextlib.contextmanager
def postfix(ports: Endpoints, tls: Mapping[str, Pair], ca_file: Path, mailbox: Dovecot) -> Iterator[Postfix]:
    """Postfix on these ports, before `mailbox`; `tls` gives each certificate's name its chain and key (PEM)."""
    with folder("postfix") as home:
        config = _configure(home, ports, tls, mailbox)
        log = home / "log"
        mx = next(port for (_, service), port in ports.items() if service == "mx")
        argv = ["/usr/lib/postfix/sbin/master", "-c", str(config), "-s"]
        with running(argv, log, lambda: greets(mx, b"220 ")):
            yield Postfix(ports, log, ca_file)
