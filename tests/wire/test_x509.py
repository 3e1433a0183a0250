"""Does the verdict equal a live client's, at any time, on any bytes?"""

import contextlib
import dataclasses
import ipaddress
import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cryptography import x509 as cx509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from OpenSSL import SSL, crypto

from smtpcheck.lab.pki import KINDS, Authority, Served
from smtpcheck.wire import ProtocolError
from smtpcheck.wire.x509 import (
    CertificateFacts,
    ChainOrder,
    Roots,
    Verdict,
    chain_order,
    describe,
    flight,
    interpreter_says,
    match_host,
    verify,
)

NAME = "smtp.mail.example.com"
DAY = timedelta(days=1)
AUTHORITY = Authority(issuer_url="http://127.0.0.1:1/ca.der")
ROOTS = Roots.from_pem(AUTHORITY.root_pem, "lab")
NOW = AUTHORITY.now
ZOO = {kind: AUTHORITY.issue(kind, NAME) for kind in KINDS}

# what is wrong: (code, depth) each, and how the name matched
EXPECTED: dict[str, tuple[set[tuple[str, int]], str]] = {
    "good": (set(), "san-dns"),
    "expired": ({("expired", 0)}, "san-dns"),
    "not-yet-valid": ({("not-yet-valid", 0)}, "san-dns"),
    "expires-soon": (set(), "san-dns"),
    "expired-minutes-ago": ({("expired", 0)}, "san-dns"),
    "valid-in-minutes": ({("not-yet-valid", 0)}, "san-dns"),
    "intermediate-expired": ({("expired", 1)}, "san-dns"),
    "not-a-ca-intermediate": ({("not-a-ca", 1), ("wrong-purpose", 1)}, "san-dns"),
    "self-signed": ({("self-signed", 0)}, "san-dns"),
    "untrusted-root": ({("issuer-unknown", 1)}, "san-dns"),
    "untrusted-root-sent": ({("self-signed-in-chain", 2)}, "san-dns"),
    "missing-intermediate": ({("issuer-unknown", 0), ("leaf-unverified", 0)}, "san-dns"),
    "wrong-order": (set(), "san-dns"),
    "superfluous-root": (set(), "san-dns"),
    "wrong-host": (set(), "none"),
    "cn-only": (set(), "cn-only"),
    "wildcard": (set(), "san-dns"),
    "wildcard-too-deep": (set(), "none"),
    "ip-san": (set(), "none"),
    "weak-key": ({("weak-key", 0)}, "san-dns"),
    "weak-signature": ({("weak-signature", 0)}, "san-dns"),
    "wrong-purpose": ({("wrong-purpose", 0)}, "san-dns"),
    "rsa": (set(), "san-dns"),
    "must-staple": (set(), "san-dns"),
    "ca-not-critical": (set(), "san-dns"),
    "signed-by": ({("self-signed-in-chain", 1)}, "san-dns"),
    "signed-by-root-kept": ({("issuer-unknown", 0), ("leaf-unverified", 0)}, "san-dns"),
    "self-signed-as": ({("self-signed", 0)}, "san-dns"),
}


def judged(kind: str, name: str = NAME, at: datetime = NOW) -> Verdict:
    return verify(ZOO[kind].chain, name, ROOTS, at)


# --- the zoo


def test_every_kind_is_expected() -> None:
    assert set(EXPECTED) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_verdict_on_the_zoo(kind: str) -> None:
    verdict = judged(kind)
    flaws, how = EXPECTED[kind]
    assert {(flaw.code, flaw.depth) for flaw in verdict.flaws} == flaws
    assert verdict.host.how == how
    assert verdict.host.matched == (how == "san-dns")
    assert verdict.verified == (not flaws and how == "san-dns")
    assert verdict.answered
    assert verdict.strict == ()


def live(served: Served, flags: int) -> tuple[list[tuple[int, int]], bool]:
    """The errors a live client's callback hears in a handshake with a real server, and whether the leaf passed."""
    heard: list[tuple[int, int, int]] = []
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_cipher_list(b"DEFAULT:@SECLEVEL=2")
    store = context.get_cert_store()
    store.add_cert(crypto.load_certificate(crypto.FILETYPE_ASN1, AUTHORITY.root_der))
    store.set_flags(flags)
    store.set_time(NOW)
    context.set_verify(SSL.VERIFY_PEER, lambda _, __, errno, depth, ok: heard.append((errno, depth, ok)) or True)
    client = SSL.Connection(context, None)
    client.set_connect_state()
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = served.server_context().wrap_bio(into, out, server_side=True)
    for _ in range(4):
        with contextlib.suppress(SSL.Error):
            client.do_handshake()
        with contextlib.suppress(SSL.WantReadError):
            into.write(client.bio_read(1 << 16))
        with contextlib.suppress(ssl.SSLError):
            server.do_handshake()
        if answer := out.read():
            client.bio_write(answer)
    return sorted({(e, d) for e, d, ok in heard if not ok}), any(d == 0 and ok for _, d, ok in heard)


@pytest.mark.parametrize("kind", KINDS)
def test_the_verdict_equals_a_live_verify_callback(kind: str) -> None:
    verdict = judged(kind)
    errors, answered = live(ZOO[kind], 0)
    assert errors == sorted({(flaw.errno, flaw.depth) for flaw in verdict.flaws})
    assert answered == verdict.answered


def unlike_rfc_5280() -> Served:
    """A leaf without an authority key identifier: fine for most clients, not for a strict one."""
    key = ec.generate_private_key(ec.SECP256R1())
    root_key = ec.generate_private_key(ec.SECP256R1())
    issuer = cx509.Name([cx509.NameAttribute(NameOID.COMMON_NAME, "loose root")])

    def build(subject: cx509.Name, public: ec.EllipticCurvePublicKey, extension: cx509.ExtensionType) -> bytes:
        builder = cx509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
        builder = builder.serial_number(1).not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
        signed = builder.add_extension(extension, critical=False).sign(root_key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.DER)

    root = build(issuer, root_key.public_key(), cx509.BasicConstraints(ca=True, path_length=None))
    subject = cx509.Name([cx509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    leaf = build(subject, key.public_key(), cx509.SubjectAlternativeName([cx509.DNSName(NAME)]))
    return Served((leaf, root), b"")


def test_what_only_a_strict_client_minds_is_kept_apart() -> None:
    served = unlike_rfc_5280()
    verdict = verify(served.chain, NAME, Roots((served.chain[1],), "loose"), NOW)
    assert verdict.verified
    assert {(flaw.code, flaw.depth) for flaw in verdict.strict} == {
        ("no-issuer-key-id", 0),
        ("no-subject-key-id", 1),
        ("no-key-usage", 1),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_strict_verdict_equals_a_live_strict_callback(kind: str) -> None:
    errors, _ = live(ZOO[kind], crypto.X509StoreFlags.X509_STRICT | crypto.X509StoreFlags.PARTIAL_CHAIN)
    verdict = judged(kind)
    assert set(errors) <= {(flaw.errno, flaw.depth) for flaw in verdict.flaws + verdict.strict}
    assert {(flaw.errno, flaw.depth) for flaw in verdict.strict} <= set(errors)


@pytest.mark.parametrize("key", ["ec-p384", "rsa-2048", "ed25519"])
def test_other_keys_of_the_leaf(key: str) -> None:
    made = {
        "ec-p384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
    }[key]()
    name = cx509.Name([cx509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    builder = cx509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(made.public_key())
    builder = builder.serial_number(7).not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    builder = builder.add_extension(cx509.SubjectAlternativeName([cx509.DNSName(NAME)]), critical=False)
    der = builder.sign(made, None if key == "ed25519" else hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    assert verify((der,), NAME, Roots((der,), "itself"), NOW).verified
    assert [flaw.code for flaw in verify((der,), NAME, ROOTS, NOW).flaws] == ["self-signed"]
    facts = describe(der)
    assert (f"{facts.key}-{facts.bits}", facts.self_signed) in (
        ("ec-384", True),
        ("rsa-2048", True),
        ("ed25519-256", True),
    )
    if key != "ed25519":
        assert interpreter_says((der,), NAME, Roots((der,), "itself")) == "ok"


# --- the time


def test_the_time_is_taken_anew_on_every_call() -> None:
    for at, verified in ((NOW, True), (NOW + 91 * DAY, False), (NOW, True), (NOW - 2 * DAY, False), (NOW, True)):
        assert judged("good", at=at).verified == verified
    assert [flaw.code for flaw in judged("good", at=NOW + 91 * DAY).flaws] == ["expired"]
    assert [flaw.code for flaw in judged("good", at=NOW - 2 * DAY).flaws] == ["not-yet-valid"]
    assert judged("expired", at=NOW - 50 * DAY).verified


def test_the_time_is_compared_in_utc() -> None:
    edge = NOW + 90 * DAY
    for hours in (-12, 0, 14):
        zone = timezone(timedelta(hours=hours))
        assert judged("good", at=(edge - timedelta(minutes=1)).astimezone(zone)).verified
        assert not judged("good", at=(edge + timedelta(minutes=1)).astimezone(zone)).verified
    with pytest.raises(ValueError, match="time zone"):
        judged("good", at=NOW.replace(tzinfo=None))


def test_two_threads_do_not_share_a_time() -> None:
    times = [NOW, NOW + 91 * DAY] * 20
    with ThreadPoolExecutor(2) as pool:
        verdicts = list(pool.map(lambda at: judged("good", at=at).verified, times))
    assert verdicts == [True, False] * 20


# --- fail-open


@pytest.mark.parametrize("chain", [(), (b"",), (b"\x30\x03",), (b"x" * 200_000,), (b"\x30\x00",) * 50])
def test_what_can_not_be_read_is_not_verified(chain: tuple[bytes, ...]) -> None:
    verdict = verify(chain, NAME, ROOTS, NOW)
    assert not verdict.answered
    assert not verdict.verified
    assert [flaw.code for flaw in verdict.flaws] == ["unreadable"]
    assert interpreter_says(chain, NAME, ROOTS) != "ok"


def test_no_flaws_without_an_answer_do_not_verify() -> None:
    good = judged("good")
    assert not dataclasses.replace(good, answered=False).verified
    assert not dataclasses.replace(good, host=dataclasses.replace(good.host, matched=False)).verified


def test_a_truncated_flight_has_no_answer() -> None:
    whole = flight(ZOO["good"].chain)
    heard: list[int] = []
    context = SSL.Context(SSL.TLSv1_2_METHOD)
    context.set_verify(SSL.VERIFY_PEER, lambda *seen: heard.append(seen[2]) or True)
    client = SSL.Connection(context, None)
    client.set_connect_state()
    with pytest.raises(SSL.WantReadError):
        client.do_handshake()
    client.bio_write(whole[:-1])
    with pytest.raises(SSL.WantReadError):
        client.do_handshake()
    assert heard == []


def test_an_empty_root_store_trusts_nobody() -> None:
    assert not verify(ZOO["good"].chain, NAME, Roots((), "none"), NOW).verified
    assert "20" in interpreter_says(ZOO["good"].chain, NAME, Roots((), "none"))


def test_a_store_of_the_stranger_does_not_trust_the_house() -> None:
    assert not verify(ZOO["good"].chain, NAME, Roots.from_pem(Authority().root_pem, "other"), NOW).verified


BASES = [served.chain for kind, served in ZOO.items() if kind in ("good", "weak-key", "cn-only", "self-signed")]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_mutated_chain_never_verifies_and_never_raises_but_protocol_errors(data: st.DataObject) -> None:
    chain = data.draw(st.sampled_from(BASES))
    der = bytearray(chain[0])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(der) - 1))
        der[at] ^= data.draw(st.integers(1, 255))
    if data.draw(st.booleans()):
        del der[data.draw(st.integers(1, len(der) - 1)) :]
    mutated = bytes(der)
    if mutated == chain[0]:
        return
    verdict = verify((mutated, *chain[1:]), NAME, ROOTS, NOW)
    assert not verdict.verified
    assert interpreter_says((mutated, *chain[1:]), NAME, ROOTS) != "ok"
    with contextlib.suppress(ProtocolError):
        assert isinstance(describe(mutated), CertificateFacts)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=4).map(tuple))
def test_noise_never_verifies(chain: tuple[bytes, ...]) -> None:
    assert not verify(chain, NAME, ROOTS, NOW).verified
    for der in chain:
        with pytest.raises(ProtocolError):
            describe(der)


# --- the name


def leaf_with(*san: cx509.GeneralName, common_name: str = "somebody") -> CertificateFacts:
    key = ec.generate_private_key(ec.SECP256R1())
    name = cx509.Name([cx509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = cx509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    if san:
        builder = builder.add_extension(cx509.SubjectAlternativeName(san), critical=False)
    return describe(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))


@pytest.mark.parametrize(
    ("presented", "name", "matched"),
    [
        ("mail.example.com", "mail.example.com", True),
        ("MAIL.Example.COM", "mail.example.com", True),
        ("mail.example.com", "mail.example.com.", True),
        ("mail.example.com", "ail.example.com", False),
        ("example.com", "mail.example.com", False),
        ("*.example.com", "mail.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "a.mail.example.com", False),
        ("m*.example.com", "mail.example.com", False),
        ("mail.*.com", "mail.example.com", False),
        ("*.com", "example.com", False),
        ("*", "mail", False),
        ("xn--bcher-kva.example", "bücher.example", True),
        ("*.example.com", "xn--bcher-kva.example.com", True),
        ("xn--*.example.com", "xn--bcher-kva.example.com", False),
        ("127.0.0.1", "127.0.0.1", False),
        ("mail.example.com", "", False),
        ("mail.example.com", "mail\0.example.com", False),
        ("a" * 70, "a" * 70, False),
    ],
)
def test_dns_names(presented: str, name: str, matched: bool) -> None:
    match = match_host(leaf_with(cx509.DNSName(presented)), name)
    assert (match.matched, match.how) == (matched, "san-dns" if matched else "none")


@pytest.mark.parametrize(
    ("name", "matched"),
    [("127.0.0.1", True), ("::1", True), ("0:0:0:0:0:0:0:1", True), ("127.0.0.2", False), ("localhost", False)],
)
def test_addresses_need_an_address(name: str, matched: bool) -> None:
    leaf = describe(AUTHORITY.issue("good", "127.0.0.1", "::1").chain[0])
    assert match_host(leaf, name).matched == matched


def test_the_common_name_is_noted_and_never_matches() -> None:
    assert judged("cn-only").host == dataclasses.replace(judged("good").host, matched=False, how="cn-only", names=())
    with_other_san = leaf_with(cx509.DNSName("other.example.com"), common_name=NAME)
    assert match_host(with_other_san, NAME).how == "none"
    assert match_host(leaf_with(common_name="127.0.0.1"), "127.0.0.1").how == "cn-only"


def test_one_odd_name_does_not_spoil_the_others() -> None:
    odd = leaf_with(cx509.DNSName("*.*.b"), cx509.RFC822Name("a@b.c"), cx509.DNSName(NAME))
    assert match_host(odd, NAME).matched


def test_a_network_is_no_address_and_breaks_nothing() -> None:
    leaf = leaf_with(cx509.IPAddress(ipaddress.ip_network("127.0.0.0/8")), cx509.DNSName(NAME))
    assert leaf.san == (NAME,)
    assert not match_host(leaf, "127.0.0.1").matched
    assert match_host(leaf, NAME).matched


# --- facts


def test_the_facts_of_a_good_leaf() -> None:
    chain = ZOO["good"].chain
    leaf, intermediate = map(describe, chain)
    assert (leaf.subject, leaf.issuer) == (f"CN={NAME}", intermediate.subject)
    assert (leaf.san, leaf.key, leaf.bits, leaf.signature_hash) == ((NAME,), "ec", 256, "sha256")
    assert (leaf.is_ca, intermediate.is_ca, leaf.self_signed) == (False, True, False)
    assert leaf.eku == ("1.3.6.1.5.5.7.3.1",)
    assert leaf.aia_issuers == ("http://127.0.0.1:1/ca.der",)
    assert (leaf.not_before, leaf.not_after) == (NOW - DAY, NOW + 90 * DAY)
    assert leaf.not_after.tzinfo is UTC
    assert leaf.sha256 == ssl_fingerprint(chain[0])
    assert leaf.issuer_key_id == intermediate.key_id != ""


def test_a_negative_serial_number_is_described_without_a_warning() -> None:
    der = unlike_rfc_5280().chain[0]
    assert der.count(b"\x02\x01\x01\x30") == 1
    assert describe(der.replace(b"\x02\x01\x01\x30", b"\x02\x01\xff\x30")).serial == "-1"


def test_a_huge_certificate_is_not_even_read() -> None:
    with pytest.raises(ProtocolError, match="70000 bytes"):
        describe(bytes(70_000))


def ssl_fingerprint(der: bytes) -> str:
    return cx509.load_der_x509_certificate(der).fingerprint(hashes.SHA256()).hex()


def test_weak_facts() -> None:
    assert (describe(ZOO["weak-key"].chain[0]).key, describe(ZOO["weak-key"].chain[0]).bits) == ("rsa", 1024)
    assert describe(ZOO["weak-signature"].chain[0]).signature_hash == "sha1"
    assert describe(ZOO["self-signed"].chain[0]).self_signed
    assert describe(ZOO["wrong-purpose"].chain[0]).eku == ("1.3.6.1.5.5.7.3.2",)


@pytest.mark.parametrize(
    ("kind", "odd"),
    [
        ("good", ChainOrder((), (), (), ())),
        ("self-signed", ChainOrder((), (), (), ())),
        ("missing-intermediate", ChainOrder((), (), (), ())),
        ("wrong-order", ChainOrder((1,), (1,), (), ())),
        ("superfluous-root", ChainOrder((), (2,), (), ())),
        ("untrusted-root-sent", ChainOrder((), (2,), (), ())),
    ],
)
def test_the_order(kind: str, odd: ChainOrder) -> None:
    assert chain_order(tuple(map(describe, ZOO[kind].chain))) == odd


def test_strangers_and_repetitions() -> None:
    leaf, intermediate = map(describe, ZOO["good"].chain)
    stranger = describe(Authority().root_der)
    other = describe(AUTHORITY.issue("good", "other.example.com").chain[0])
    assert chain_order((leaf, stranger, intermediate, other)) == ChainOrder((), (), (1, 3), ())
    assert chain_order((leaf, leaf, intermediate, intermediate)) == ChainOrder((), (), (), (1, 3))
    assert chain_order(()) == ChainOrder((), (), (), ())


# --- root stores


def test_roots_are_equal_by_their_certificates() -> None:
    other = Authority().root_pem
    both = Roots.from_pem(AUTHORITY.root_pem + b"# a remark\n" + other, "both")
    turned = Roots.from_pem(other + AUTHORITY.root_pem, "turned")
    assert both == turned
    assert both.fingerprint == turned.fingerprint != ROOTS.fingerprint
    assert len(both.der) == 2
    assert verify(ZOO["good"].chain, NAME, both, NOW).verified


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"nothing",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n",
        AUTHORITY.root_pem + b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
    ],
)
def test_a_damaged_store_is_a_protocol_error(pem: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"my\.pem"):
        Roots.from_pem(pem, "my.pem")


def test_a_store_made_of_noise_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError):
        verify(ZOO["good"].chain, NAME, Roots((b"noise",), "noise"), NOW)


def test_what_the_interpreter_says() -> None:
    assert interpreter_says(ZOO["good"].chain, NAME, ROOTS) == "ok"
    assert interpreter_says(ZOO["expired"].chain, NAME, ROOTS) == "certificate has expired (10)"
    assert interpreter_says(ZOO["wrong-host"].chain, NAME, ROOTS).endswith("(62)")
    assert "ValueError" in interpreter_says(ZOO["good"].chain, "", ROOTS)
