"""How does a real Postfix run for the tests: every service and certificate in one instance, and no mail ever out?"""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers.daemon import LOOPBACK, Broken, folder, free_ports, greets, program, running
from tests.servers.dovecot import PASSWORD, USER, sasl

DOMAIN = "postfix.test"
HOST = "smtp.postfix.test"

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

# No mail leaves: nothing resolves names, every transport discards, and master.cf has no SMTP client.
smtp_dns_support_level = disabled
smtpd_peername_lookup = no
default_transport = discard:
relay_transport = discard:
local_transport = discard:
virtual_transport = discard:
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = inline:{{ {{ {user} = yes }} }}
notify_classes =

smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions =
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
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
anvil     unix       - - n -     1  anvil
postlog   unix-dgram n - n -     1  postlogd
"""

Endpoints = Mapping[tuple[str, str], int]
"""(certificate, service) -> port."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One listening service: HOST is its name in DNS and in the good certificate."""

    name: str
    address: str
    port: int
    service: str
    certificate: str


@dataclass(frozen=True, slots=True)
class Postfix:
    """A running Postfix with Dovecot SASL."""

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


def _service_lines(ports: Endpoints, tls: Mapping[str, tuple[Path, Path]]) -> Iterator[str]:
    for (certificate, service), port in ports.items():
        chain, key = tls[certificate]
        yield f"{LOOPBACK}:{port} inet n - n - - smtpd"
        yield f"  -o syslog_name=postfix/{service}/{certificate}"
        yield f"  -o smtpd_tls_cert_file={chain} -o smtpd_tls_key_file={key}"
        yield from (f"  -o {{ {name} = {value} }}" for name, value in SERVICES[service].items())


def _configure(home: Path, ports: Endpoints, tls: Mapping[str, tuple[Path, Path]]) -> Path:
    config = home / "config"
    for name in ("config", "queue", "data"):
        (home / name).mkdir()
    owner = pwd.getpwnam("postfix")
    (home / "data").chmod(0o700)
    os.chown(home / "data", owner.pw_uid, owner.pw_gid)
    (config / "main.cf").write_text(_MAIN.format(home=home, host=HOST, domain=DOMAIN, user=USER))
    (config / "master.cf").write_text(_MASTER + "\n".join(_service_lines(ports, tls)) + "\n")
    made = subprocess.run([program("postfix") or "postfix", "-c", config, "check"], capture_output=True, timeout=30)
    if made.returncode:
        raise Broken(f"postfix check: status {made.returncode}\n{made.stderr.decode(errors='replace')}")
    return config


@contextlib.contextmanager
def postfix(ports: Endpoints, tls: Mapping[str, tuple[Path, Path]], ca_file: Path) -> Iterator[Postfix]:
    """Postfix on these ports; `tls` gives each certificate's name its chain and key (PEM)."""
    with folder("postfix") as home:
        config = _configure(home, ports, tls)
        log = home / "log"
        mx = next(port for (_, service), port in ports.items() if service == "mx")
        with (
            sasl(home / "queue" / "private" / "auth"),
            running(["/usr/lib/postfix/sbin/master", "-c", str(config), "-s"], log, lambda: greets(mx, b"220 ")),
        ):
            yield Postfix(ports, log, ca_file)
