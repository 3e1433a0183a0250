"""How does a real resolver answer for the tests, from its own data alone?"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers import dovecot, exim
from tests.servers.daemon import LOOPBACK, accepts, folder, free_ports, program, running
from tests.servers.postfix import HOST

# do-not-query covers every address, so that no data here can make it send a packet; a forwarded zone
# without a permitted server is how it comes to say SERVFAIL at once.
_CONF = """\
server:
  verbosity: 1
  num-threads: 1
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{home}"
  pidfile: "{home}/pid"
  use-syslog: no
  logfile: ""
  interface: {address}@{port}
  access-control: 127.0.0.0/8 allow
  do-ip6: no
  module-config: "iterator"
  do-not-query-address: 0.0.0.0/0
  do-not-query-address: ::/0
  local-zone: "." static
  local-zone: "{domain}." static
  local-zone: "refused.{domain}." always_refuse
  local-zone: "servfail.{domain}." always_transparent
{data}
forward-zone:
  name: "servfail.{domain}."
  forward-addr: {address}@1
remote-control:
  control-enable: no
"""


@dataclass(frozen=True, slots=True)
class Unbound:
    """A running resolver: NXDOMAIN for every name it was not told of."""

    address: str
    port: int
    log: Path
    servfail: str = f"servfail.{dovecot.DOMAIN}"
    refused: str = f"refused.{dovecot.DOMAIN}"
    null_mx: str = f"null.{dovecot.DOMAIN}"


def records(starttls: int, implicit: int) -> list[str]:
    """What the resolver knows, as master-file lines: the domain, its exchanger and submission (RFC 6186, RFC 8314)."""
    return [
        f"{dovecot.DOMAIN}. 60 IN SOA {HOST}. hostmaster.{dovecot.DOMAIN}. 1 3600 600 86400 60",
        f"{dovecot.DOMAIN}. 60 IN MX 10 {HOST}.",
        *(f"{name}. 60 IN A {LOOPBACK}" for name in (HOST, exim.HOST, *dovecot.HOSTS.values())),
        f"_submission._tcp.{dovecot.DOMAIN}. 60 IN SRV 0 1 {starttls} {HOST}.",
        f"_submissions._tcp.{dovecot.DOMAIN}. 60 IN SRV 0 1 {implicit} {HOST}.",
        f"null.{dovecot.DOMAIN}. 60 IN MX 0 .",
    ]


@contextlib.contextmanager
def unbound(data: list[str]) -> Iterator[Unbound]:
    """A resolver on a free port that answers `data` and, by name, SERVFAIL and REFUSED."""
    (port,) = free_ports(1)
    with folder("unbound") as home:
        conf, log = home / "unbound.conf", home / "log"
        lines = "\n".join(f"  local-data: '{record}'" for record in data)
        conf.write_text(_CONF.format(home=home, address=LOOPBACK, port=port, domain=dovecot.DOMAIN, data=lines))
        with running([program("unbound") or "unbound", "-d", "-p", "-c", str(conf)], log, lambda: accepts(port)):
            yield Unbound(LOOPBACK, port, log)
