"""Is the zoo what it says? Each certificate is looked at with another eye than the one that made it."""

import ssl
import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID

from smtpcheck.lab.pki import KINDS, Authority, Served

NAME = "mail.example.com"
# what the interpreter's own client says first, by X509_V_ERR_* number; 0: accepted
SAYS = {
    "good": 0,
    "expired": 10,
    "not-yet-valid": 9,
    "expires-soon": 0,
    "expired-minutes-ago": 10,
    "valid-in-minutes": 9,
    "intermediate-expired": 10,
    "not-a-ca-intermediate": 79,
    "self-signed": 18,
    "untrusted-root": 20,
    "untrusted-root-sent": 19,
    "missing-intermediate": 20,
    "wrong-order": 0,
    "superfluous-root": 0,
    "wrong-host": 62,
    "wildcard": 0,
    "wildcard-too-deep": 62,
    "ip-san": 62,
    "weak-key": 66,
    "weak-signature": 68,
    "wrong-purpose": 26,
    "rsa": 0,
    "must-staple": 0,
    "ca-not-critical": 89,
    "signed-by": 19,
    "signed-by-root-kept": 20,
    "self-signed-as": 18,
}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(issuer_url="http://127.0.0.1:1/ca.der")


def client(root_pem: bytes, *, strict: bool = True) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=root_pem.decode())
    context.set_ciphers("DEFAULT:@SECLEVEL=2")
    if strict:
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def verify_code(served: Served, context: ssl.SSLContext, name: str) -> int:
    """The verify code of a real handshake in memory."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = served.server_context().wrap_bio(up, down, server_side=True)
    mine = context.wrap_bio(down, up, server_hostname=name)
    for _ in range(6):
        for side in (mine, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return error.verify_code
    assert mine.version()
    return 0


def leaf(served: Served) -> x509.Certificate:
    return x509.load_der_x509_certificate(served.chain[0])


@pytest.mark.parametrize("kind", sorted(SAYS))
def test_a_strict_client_of_the_interpreter_says_what_the_kind_promises(authority: Authority, kind: str) -> None:
    assert verify_code(authority.issue(kind, NAME), client(authority.root_pem), NAME) == SAYS[kind]


def test_all_kinds_are_looked_at() -> None:
    assert set(KINDS) - set(SAYS) == {"cn-only"}  # whose verdict depends on the version of the interpreter


def test_cn_only_has_the_name_and_no_alternative_name(authority: Authority) -> None:
    certificate = leaf(authority.issue("cn-only", NAME))
    assert certificate.subject.rfc4514_string() == f"CN={NAME}"
    with pytest.raises(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)


def test_addresses_and_names_go_into_their_own_kind_of_san(authority: Authority) -> None:
    served = authority.issue("good", NAME, "127.0.0.1", "::1")
    for name in (NAME, "127.0.0.1", "::1"):
        assert verify_code(served, client(authority.root_pem), name) == 0
    assert verify_code(served, client(authority.root_pem), "127.0.0.2") == 64


def test_ip_san_matches_the_address_alone(authority: Authority) -> None:
    served = authority.issue("ip-san", NAME, "127.0.0.1")
    assert verify_code(served, client(authority.root_pem), "127.0.0.1") == 0


def test_orders_are_as_sent(authority: Authority) -> None:
    assert authority.issue("wrong-order", NAME).chain[1:] == (authority.root_der, authority.intermediate_der)
    assert authority.issue("superfluous-root", NAME).chain[1:] == (authority.intermediate_der, authority.root_der)
    assert len(authority.issue("missing-intermediate", NAME).chain) == 1


def test_windows_in_minutes(authority: Authority) -> None:
    now = authority.now
    assert leaf(authority.issue("expired-minutes-ago", NAME)).not_valid_after_utc == now - timedelta(minutes=3)
    assert leaf(authority.issue("valid-in-minutes", NAME)).not_valid_before_utc == now + timedelta(minutes=3)
    assert leaf(authority.issue("expires-soon", NAME)).not_valid_after_utc == now + timedelta(days=5)


def test_the_windows_count_from_the_given_time() -> None:
    now = datetime(2020, 1, 1, tzinfo=UTC)
    assert leaf(Authority(now=now).issue("good", NAME)).not_valid_before_utc == now - timedelta(days=1)


def test_the_issuer_url_is_in_the_leaf(authority: Authority) -> None:
    access = leaf(authority.issue("missing-intermediate", NAME)).extensions.get_extension_for_class(
        x509.AuthorityInformationAccess
    )
    assert [(a.access_method, a.access_location.value) for a in access.value] == [
        (AuthorityInformationAccessOID.CA_ISSUERS, authority.issuer_url)
    ]


def test_the_key_is_not_in_the_repr_and_not_readable_by_others(authority: Authority, tmp_path) -> None:
    served = authority.issue("good", NAME)
    assert "PRIVATE" not in repr(served)
    for _ in range(2):
        chain, key = served.write(tmp_path)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_bytes() == served.key_pem
    assert chain.read_bytes() == served.pem()


@pytest.mark.parametrize(
    ("kind", "names"),
    [("nonsense", (NAME,)), ("good", ()), ("wildcard", ("localhost",)), ("wildcard-too-deep", ("a.b",))],
)
def test_mistakes_are_value_errors(authority: Authority, kind: str, names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"nonsense|needs a name|too short"):
        authority.issue(kind, *names)
