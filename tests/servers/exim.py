"""How does a real Exim run for the tests, beside Postfix, its mail in Dovecot's mailbox, and no mail ever out?"""

from __future__ import annotations

import contextlib
import pwd
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.servers.certificates import Pair
from tests.servers.daemon import LOOPBACK, Endpoint, folder, free_ports, greets, program, running
from tests.servers.dovecot import DOMAIN, PASSWORD, USER, Dovecot

HOST = f"exim.{DOMAIN}"
OWNER = "Debian-exim"
"""The user whom Debian's build of Exim looks up before anything else."""
CERTIFICATES = ("good", "missing-intermediate", "wrong-host")
SERVICES = ("starttls", "implicit", "plain", "auth-down", "full")
"""The first two exist for every certificate. "plain" has no TLS, "auth-down" can't look its users up (435), "full" has
room for nobody while another connection to this Exim is open (421)."""

_CONF = """\
primary_hostname = {host}
exim_path = {program}
spool_directory = {home}/spool
log_file_path = {home}/log/%slog
pid_file_path = {home}/pid
notifier_socket =
keep_environment =
deliver_drop_privilege = true
local_interfaces = {interfaces}
disable_ipv6 = true
tls_on_connect_ports = {implicit}
tls_advertise_hosts = ${{if eq{{$received_port}}{{{plain}}}{{}}{{*}}}}
tls_certificate = {home}/tls/$received_port/chain.pem
tls_privatekey = {home}/tls/$received_port/key.pem
message_size_limit = 2M
smtp_accept_max = 100
smtp_accept_max_per_host = ${{if eq{{$received_port}}{{{full}}}{{1}}{{0}}}}

# No mail leaves: nothing resolves names, what is not for a mailbox here is discarded, and the one transport is LMTP
# to a Unix socket.
helo_lookup_domains =
rfc1413_query_timeout = 0s
domainlist here = {domain}
acl_smtp_mail = sender
acl_smtp_rcpt = recipient

begin acl
sender:
  accept control = dkim_disable_verify
recipient:
  defer message = greylisted, please try again later
        local_parts = later
        domains = +here
  accept domains = +here
         endpass
         verify = recipient
  accept authenticated = *
  deny message = relay not permitted

begin routers
junk:
  driver = redirect
  domains = +here
  local_parts = spam
  data = {junk}
void:
  driver = redirect
  domains = +here
  local_parts = void
  data = :blackhole:
mailbox:
  driver = accept
  domains = +here
  local_parts = {local_part}
  local_part_suffix = +*
  local_part_suffix_optional
  transport = mailbox
outside:
  driver = redirect
  domains = ! +here
  data = :blackhole:

begin transports
mailbox:
  driver = lmtp
  socket = {lmtp}
  rcpt_include_affixes
  user = {owner}

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = {condition}
  server_advertise_condition = {advertise}
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = {condition_of_login}
  server_advertise_condition = {advertise}
"""
_CONDITION = (
    "${{if eq{{$received_port}}{{{down}}}{{${{readsocket{{/nonexistent}}{{}}}}}}"
    "{{${{if and{{ {{eq{{{given}}}{{{user}}}}} {{eq{{{secret}}}{{{password}}}}} }}}}}}}}"
)
_ADVERTISE = "${{if or{{ {{def:tls_in_cipher}} {{eq{{$received_port}}{{{plain}}}}} }}}}"


@dataclass(frozen=True, slots=True)
class Exim:
    """A running Exim with Dovecot for the mailbox."""

    ports: Mapping[tuple[str, str], int]
    log: Path
    """The main log; rejectlog and paniclog are beside it."""
    ca_file: Path
    """The root which the certificates lead to, as PEM."""
    domain: str = DOMAIN
    host: str = HOST
    user: str = USER
    password: str = PASSWORD

    def endpoint(self, certificate: str = "good", service: str = "starttls") -> Endpoint:
        """Where that service with that certificate listens; KeyError when there is none."""
        return Endpoint(self.host, LOOPBACK, self.ports[certificate, service], service, certificate)


def _choose_ports() -> dict[tuple[str, str], int]:
    wanted = [(CERTIFICATES[0], service) for service in SERVICES]
    wanted += [(certificate, service) for certificate in CERTIFICATES[1:] for service in SERVICES[:2]]
    return dict(zip(wanted, free_ports(len(wanted)), strict=True))


def _authentication(ports: Mapping[tuple[str, str], int]) -> dict[str, str]:
    """PLAIN gives its parts as $auth1 to $auth3, LOGIN as $auth1 and $auth2 (Exim specification, chapter 34)."""
    known = {"user": USER, "password": PASSWORD, "down": ports["good", "auth-down"]}
    return {
        "condition": _CONDITION.format(given="$auth2", secret="$auth3", **known),
        "condition_of_login": _CONDITION.format(given="$auth1", secret="$auth2", **known),
        "advertise": _ADVERTISE.format(plain=ports["good", "plain"]),
    }


def _configure(home: Path, ports: Mapping[tuple[str, str], int], tls: Mapping[str, Pair], mailbox: Dovecot) -> Path:
    for name in ("spool", "log", "tls"):
        (home / name).mkdir(0o750)
        shutil.chown(home / name, OWNER, OWNER)
    for (certificate, _), port in ports.items():
        shown = home / "tls" / str(port)
        shown.mkdir()
        for path in tls[certificate]:
            shutil.chown(shutil.copy(path, shown), OWNER, OWNER)
    known = {"home": home, "host": HOST, "domain": DOMAIN, "program": program("exim4"), "owner": OWNER}
    known |= {"interfaces": " : ".join(f"{LOOPBACK}.{port}" for port in ports.values()), "lmtp": mailbox.lmtp}
    known |= {"implicit": " : ".join(str(port) for (_, service), port in ports.items() if service == "implicit")}
    known |= {"plain": ports["good", "plain"], "full": ports["good", "full"], "local_part": USER.partition("@")[0]}
    known |= {"junk": USER.replace("@", f"+{mailbox.junk}@")}
    conf = home / "exim.conf"
    conf.write_text(_CONF.format(**known, **_authentication(ports)))
    # read again by deliveries, as that user; group or others must not be able to write
    conf.chmod(0o640)
    shutil.chown(conf, "root", OWNER)
    return conf


def owner_exists() -> bool:
    """Whether Exim's user exists; without it, Exim does not start."""
    try:
        return bool(pwd.getpwnam(OWNER))
    except KeyError:
        return False


@contextlib.contextmanager
def exim(tls: Mapping[str, Pair], ca_file: Path, mailbox: Dovecot) -> Iterator[Exim]:
    """Exim on free ports, before `mailbox`; `tls` gives each of CERTIFICATES its chain and key (PEM)."""
    ports = _choose_ports()
    with folder("exim") as home:
        conf = _configure(home, ports, tls, mailbox)
        first = ports["good", "starttls"]
        argv = [program("exim4") or "exim4", "-bdf", "-C", str(conf)]
        with running(argv, home / "output", lambda: greets(first, b"220 ")):
            yield Exim(ports, home / "log" / "mainlog", ca_file)
