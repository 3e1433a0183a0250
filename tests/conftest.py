"""Which real servers and which guards do all tests share?"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from smtpcheck.lab.pki import Authority
from tests.servers import chrony as chronyd
from tests.servers import dovecot as mailbox
from tests.servers import exim as other_mail
from tests.servers import postfix as mail
from tests.servers import unbound as resolver
from tests.servers.certificates import Certificates
from tests.servers.daemon import folder, program
from tests.servers.issuer import Issuer, issuer_site
from tests.servers.loopback import guarded

SERVERS = {"postfix", "dovecot", "exim", "unbound", "chrony", "faketime"}
NEEDED = ("servers", "browser")
CERTIFICATES = ("good", "missing-intermediate", "wrong-host", "expired", "not-yet-valid", "self-signed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses a real server; say in the JUnit file what needs a Debian package, for .ci/servers.py.

    Workers (pytest-xdist, `--dist loadgroup`) share no fixture: one of them has the servers, one the browser.
    """
    for item in items:
        if SERVERS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.servers)
        for needed in NEEDED:
            if item.get_closest_marker(needed):
                item.user_properties.append((needed, item.nodeid))
                item.add_marker(pytest.mark.xdist_group(needed))


@pytest.fixture(autouse=True)
def only_loopback() -> Iterator[None]:
    """No test speaks to another machine, even where the code under test swallows the error."""
    with guarded() as escapes:
        yield
    assert not escapes, f"not on loopback: {escapes}"


def _require(command: str, package: str, *, root: bool = False) -> None:
    if program(command) is None:
        pytest.skip(f"needs {command}: apt-get install {package}")
    if root and os.geteuid() != 0:
        pytest.skip(f"needs root to start {command} (Debian package {package})")


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    """A web site on loopback, for caIssuers of the certificates that `authority` issues."""
    with issuer_site() as site:
        yield site


@pytest.fixture(scope="session")
def authority(issuer: Issuer) -> Authority:
    """The certificate authority behind the real servers; its leaves name `issuer` for the intermediate."""
    made = Authority(issuer_url=issuer.url)
    issuer.body = made.intermediate_der
    return made


@pytest.fixture(scope="session")
def postfix_ports() -> mail.Endpoints:
    """Where the real Postfix listens, or would: known without starting it."""
    return mail.choose_ports(CERTIFICATES)


@pytest.fixture(scope="session")
def certificates(authority: Authority) -> Iterator[Certificates]:
    """Where the real servers find their certificates."""
    with folder("pki") as home:
        yield Certificates(home, authority)


@pytest.fixture(scope="session")
def dovecot(certificates: Certificates) -> Iterator[mailbox.Dovecot]:
    """A real Dovecot: IMAP for the mailbox to which `postfix` and `exim` deliver."""
    _require("postfix", "postfix", root=True)  # its user owns the SASL socket
    _require("dovecot", "dovecot-core", root=True)
    for name, package in mailbox.MODULES.items():
        _require(f"/usr/lib/dovecot/{name}", package)
    tls = {kind: certificates.issue(kind, host) for kind, host in mailbox.HOSTS.items()}
    with mailbox.dovecot(tls, certificates.root) as server:
        yield server


@pytest.fixture(scope="session")
def postfix(
    certificates: Certificates, postfix_ports: mail.Endpoints, dovecot: mailbox.Dovecot
) -> Iterator[mail.Postfix]:
    """A real Postfix before Dovecot, every service of `tests.servers.postfix.SERVICES`."""
    tls = certificates.zoo(CERTIFICATES, mail.HOST)
    with mail.postfix(postfix_ports, tls, certificates.root, dovecot) as server:
        yield server


@pytest.fixture(scope="session")
def exim(certificates: Certificates, dovecot: mailbox.Dovecot) -> Iterator[other_mail.Exim]:
    """A real Exim before Dovecot, every service of `tests.servers.exim.SERVICES`."""
    _require("exim4", "exim4-daemon-light (removes Postfix; .ci/run puts it beside)", root=True)
    if not other_mail.owner_exists():
        pytest.skip(f"needs the user {other_mail.OWNER}: apt-get install exim4-base")
    tls = certificates.zoo(other_mail.CERTIFICATES, other_mail.HOST)
    with other_mail.exim(tls, certificates.root, dovecot) as server:
        yield server


@pytest.fixture(scope="session")
def unbound(postfix_ports: mail.Endpoints) -> Iterator[resolver.Unbound]:
    """A real resolver that knows postfix.test; its SRV records lead to the services of `postfix`."""
    _require("unbound", "unbound")
    starttls, implicit = postfix_ports["good", "starttls"], postfix_ports["good", "implicit"]
    with resolver.unbound(resolver.records(starttls, implicit)) as server:
        yield server


@pytest.fixture(scope="session")
def chrony() -> Iterator[chronyd.Chrony]:
    """A real NTP server that tells this machine's time."""
    _require("chronyd", "chrony")
    with chronyd.chrony() as server:
        yield server


@pytest.fixture(scope="session")
def faketime() -> chronyd.Faketime:
    """`faketime("+7m")`: the environment in which a program's wall clock is that far off."""
    if chronyd.faketime_library() is None:
        pytest.skip("needs libfaketime: apt-get install faketime")
    return chronyd.faketime_env
