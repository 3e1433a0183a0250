"""Do the settings that we print work? Each one that can be run here sends a message to a practice server.

Beside what Debian has (curl, msmtp, postfix, nodejs) they need their libraries, under $SMTPCHECK_TEST_LIBRARIES:

    python3 -m venv DIR && DIR/bin/pip install aiosmtplib django flask-mail && npm install --prefix DIR nodemailer
"""

from __future__ import annotations

import ast
import asyncio
import email
import email.policy
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcheck import api
from smtpcheck.core import Mode
from smtpcheck.lab import Background, background
from smtpcheck.lab.ledger import Ledger
from smtpcheck.lab.pki import Authority
from smtpcheck.lab.smtpd import GoodServer
from smtpcheck.report import snippets
from smtpcheck.target.grammar import UsageError, parse_target
from tests import forked
from tests.servers.daemon import awaited, folder, listens, program, running

SENDER, RECIPIENT = "me@lab.test", "you@lab.test"
PLAIN = "me@lab.test"
HOSTILE = """we"ird'$HOME ${PATH} `id` $(id) %41 \\u0022 \\;#\\"""
PASSWORD = "practice/+=\"'$HOME\\ %s #x"
MODES = (Mode.STARTTLS, Mode.IMPLICIT)
LIBRARIES = Path(os.environ.get("SMTPCHECK_TEST_LIBRARIES", Path.home() / ".cache/smtpcheck-test-libraries"))
MESSAGE = f"From: <{SENDER}>\nTo: <{RECIPIENT}>\nSubject: Test\n\nIt works.\n".encode()

# how each is run; a library's own interpreter is looked for when it is needed
COMMANDS: dict[str, Callable[[Path], list[str]]] = {
    "smtplib": lambda file: [sys.executable, "-W", "error", str(file)],
    "aiosmtplib": lambda file: [_library("bin/python"), str(file)],
    "django": lambda file: [_library("bin/python"), str(file)],
    "flask-mail": lambda file: [_library("bin/python"), str(file)],
    "nodemailer": lambda file: [_required("node", "nodejs"), str(file)],
    "curl": lambda file: [_required("curl", "curl") and "sh", str(file)],
    "msmtp": lambda file: [_required("msmtp", "msmtp"), "-C", str(file), "--", RECIPIENT],
    "net-smtp": lambda file: ["go", "run", str(file)],
}
REAL = tuple(name for name in COMMANDS if name not in ("smtplib", "net-smtp"))
HERE = ("smtplib", *(["net-smtp"] if program("go") else []))
ALL = [*HERE, *(pytest.param(name, marks=pytest.mark.servers) for name in REAL)]
NOT_RUN = {"go-mail", "gomail", "javamail", "net-smtp", "phpmailer", "spring"}


def _required(command: str, package: str) -> str:
    found = program(command)
    if found is None:
        pytest.skip(f"needs {command}: apt-get install {package}")
    return found


def _library(place: str) -> str:
    if not (LIBRARIES / place).exists():
        pytest.skip(f"needs libraries in {LIBRARIES}: the head of this file says how")
    return str(LIBRARIES / place)


@dataclass(frozen=True)
class Practice:
    port: int
    ledger: Ledger
    ca_file: Path


@asynccontextmanager
async def practice(
    home: Path, mode: Mode, *, user: str = PLAIN, cert: str = "good", speaks: Mode | None = None
) -> AsyncIterator[Practice]:
    """The server of the lab's `healthy` and `healthy-implicit`, under a name that every program can resolve."""
    authority = Authority()
    ca_file = home / "root's $1.pem"
    ca_file.write_bytes(authority.root_pem)
    context = authority.issue(cert, "localhost").server_context()
    server = GoodServer(mode=speaks or mode, host="localhost", context=context, accounts={user: PASSWORD})
    await server.start()
    try:
        yield Practice(server.port, server.ledger, ca_file)
    finally:
        await server.stop()


async def run(argv: list[str], home: Path, **environ: str) -> tuple[int, str]:
    """Exit status and what was said; the environment holds nothing but what is needed."""
    kept = {name: os.environ[name] for name in ("GOROOT", "GOPATH", "GOCACHE") if name in os.environ}
    said = {"PATH": os.environ["PATH"] + ":/usr/sbin", "HOME": str(home), "LANG": "C.UTF-8", "SMTP_PASSWORD": PASSWORD}
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=home,
        env=said | kept | environ,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(MESSAGE), 40)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode(errors="replace")


async def sent(name: str, home: Path, mode: Mode, server: Practice, user: str = PLAIN) -> tuple[int, str]:
    text = snippets.render(name, "localhost", server.port, mode, user, SENDER, RECIPIENT, ca_file=str(server.ca_file))
    file = home / f"send.{snippets.suffix(name)}"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    if name == "nodemailer":
        (home / "node_modules").symlink_to(_library("node_modules"))
    return await run(COMMANDS[name](file), home)


def assert_arrived(ledger: Ledger) -> None:
    """One message, after one login; the server takes no login without TLS and no mail without a login."""
    [message] = ledger.messages
    assert (message.sender, message.recipients) == (SENDER, (RECIPIENT,))
    read = email.message_from_bytes(message.content, policy=email.policy.default)
    assert [read["From"].addresses[0].addr_spec, read["To"].addresses[0].addr_spec] == [SENDER, RECIPIENT]
    assert read["Subject"] == "Test"
    assert read.get_content().strip() == "It works."
    assert ledger.auths == 1
    assert len(ledger.handshakes) == 1


@pytest.mark.parametrize("user", [PLAIN, HOSTILE], ids=["plain", "hostile"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ALL)
async def test_the_settings_send_a_message(name: str, mode: Mode, user: str, tmp_path: Path) -> None:
    async with practice(tmp_path, mode, user=user) as server:
        status, output = await sent(name, tmp_path, mode, server, user)

    assert status == 0, output
    assert_arrived(server.ledger)


@pytest.mark.parametrize("cert", ["wrong-host", "untrusted-root"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ALL)
async def test_no_password_goes_to_an_unverified_server(name: str, mode: Mode, cert: str, tmp_path: Path) -> None:
    async with practice(tmp_path, mode, cert=cert) as server:
        status, output = await sent(name, tmp_path, mode, server)

    assert server.ledger.connections
    assert status != 0, output
    assert server.ledger.auths == 0
    assert PASSWORD not in output


@pytest.mark.parametrize("name", ALL)
async def test_nothing_is_sent_where_starttls_is_not_offered(name: str, tmp_path: Path) -> None:
    async with practice(tmp_path, Mode.STARTTLS, speaks=Mode.PLAIN) as server:
        status, output = await sent(name, tmp_path, Mode.STARTTLS, server)

    assert server.ledger.connections
    assert status != 0, output
    assert server.ledger.commands["AUTH"] == server.ledger.commands["MAIL"] == 0


# Postfix, an instance of its own that the snippet turns into a relay's client

_MAIN = """\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
maillog_file = {home}/log
maillog_file_prefixes = {home}
myhostname = client.lab.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
local_transport = discard:
smtp_dns_support_level = disabled
alias_maps =
notify_classes =
"""
_MASTER = """\
postlog   unix-dgram n - n -     1  postlogd
pickup    unix       n - n 60    1  pickup
cleanup   unix       n - n -     0  cleanup
qmgr      unix       n - n 300   1  qmgr
rewrite   unix       - - n -     -  trivial-rewrite
tlsmgr    unix       - - n 1000? 1  tlsmgr
bounce    unix       - - n -     0  discard
defer     unix       - - n -     0  bounce
trace     unix       - - n -     0  bounce
error     unix       - - n -     -  error
retry     unix       - - n -     -  error
discard   unix       - - n -     -  discard
scache    unix       - - n -     1  scache
smtp      unix       - - n -     -  smtp
relay     unix       - - n -     -  smtp
"""


@pytest.fixture
def relay_client() -> Iterator[Path]:
    """The home of a Postfix that sends nothing anywhere until it is told where."""
    _required("postfix", "postfix")
    if os.geteuid() != 0:
        pytest.skip("needs root to start postfix")
    with folder("relay-client") as home:
        for name in ("config", "queue", "data"):
            (home / name).mkdir()
        _given_to_postfix(home / "data")
        (home / "config/main.cf").write_text(_MAIN.format(home=home))
        (home / "config/master.cf").write_text(_MASTER)
        _checked(home / "config")
        argv = ["/usr/lib/postfix/sbin/master", "-c", str(home / "config"), "-s"]
        with running(argv, home / "log", lambda: listens(home / "queue/public/cleanup")):
            yield home


def _given_to_postfix(path: Path) -> None:
    path.chmod(0o700)
    shutil.chown(path, "postfix")


def _checked(config: Path) -> None:
    subprocess.run([program("postfix") or "postfix", "-c", config, "check"], check=True, timeout=30)


async def relayed(home: Path, mode: Mode, server: Practice, user: str, log: str) -> str:
    """Run the script against that instance; its mail log, as soon as it holds `log`."""
    file = home / "relayhost.sh"
    file.write_text(
        snippets.render("postfix", "localhost", server.port, mode, user, SENDER, RECIPIENT, ca_file=str(server.ca_file))
    )
    server.ca_file.chmod(0o644)
    status, output = await run(["sh", str(file)], home, MAIL_CONFIG=str(home / "config"))
    assert status == 0, output
    return await asyncio.to_thread(awaited, lambda: said if log in (said := (home / "log").read_text()) else "")


@pytest.mark.servers
@pytest.mark.parametrize("user", [PLAIN, HOSTILE], ids=["plain", "hostile"])
@pytest.mark.parametrize("mode", MODES)
async def test_postfix_relays_with_its_settings(mode: Mode, user: str, relay_client: Path) -> None:
    async with practice(relay_client, mode, user=user) as server:
        log = await relayed(relay_client, mode, server, user, "status=")

    assert "status=sent" in log
    assert_arrived(server.ledger)
    assert (relay_client / "config/sasl_passwd").stat().st_mode & 0o077 == 0


@pytest.mark.servers
@pytest.mark.parametrize("cert", ["wrong-host", "untrusted-root"])
@pytest.mark.parametrize("mode", MODES)
async def test_postfix_keeps_its_password_from_an_unverified_server(mode: Mode, cert: str, relay_client: Path) -> None:
    async with practice(relay_client, mode, cert=cert) as server:
        await relayed(relay_client, mode, server, PLAIN, "status=deferred")

    assert server.ledger.auths == 0


# Every template, whether it can be run here or not


def rendered(name: str, mode: Mode = Mode.STARTTLS, *, user: str = PLAIN, ca_file: str = "") -> str:
    return snippets.render(name, "smtp.lab.test", 2525, mode, user, SENDER, RECIPIENT, ca_file=ca_file)


def test_every_template_is_run_or_known_not_to_be() -> None:
    assert {*snippets.names()} - {*COMMANDS, "postfix"} == NOT_RUN - {*COMMANDS}


@pytest.mark.parametrize("name", snippets.names())
def test_no_place_stands_bare_or_in_a_comment(name: str) -> None:
    text = (Path(snippets.__file__).parent / f"{name}.{snippets.suffix(name)}.txt").read_text()
    for line in text.splitlines():
        line = re.sub("^(«(starttls|implicit|ca|no-ca)»)+", "", line)
        places = re.findall("«[^»]*»", line)
        assert all(re.fullmatch("«[a-z]+(:[a-z]+)+»", place) for place in places)
        assert not (places and re.match(r"\s*(#|//)", line))


@pytest.mark.parametrize("ca_file", ["", "/etc/roots.pem"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", snippets.names())
def test_all_that_must_be_known_is_said(name: str, mode: Mode, ca_file: str) -> None:
    text = rendered(name, mode, ca_file=ca_file)

    assert "«" not in text
    for value in ("smtp.lab.test", "2525", PLAIN, "SMTP_PASSWORD"):
        assert value in text
    # keytool makes a file of Java's own from it
    assert ca_file in text or name == "javamail"
    assert text.endswith("\n")
    assert not re.search(r"[ \t]$", text, re.MULTILINE)


# What is left of a text when its quoted values are taken out; `«»` where one was.
_LITERALS = {
    "js": r'"(?:[^"\\]|\\.)*"',
    "go": r'"(?:[^"\\]|\\.)*"',
    "java": r'"(?:[^"\\]|\\.)*"',
    "php": r"'(?:[^'\\]|\\.)*'",
    "sh": r"(?:'[^']*'|\\')+",
    "conf": r'(?<= )".*"$',
    "properties": r"(?<==).*$",
}


def skeleton(name: str, text: str) -> str:
    if snippets.suffix(name) == "py":
        return re.sub(r"Constant\(value=('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")", "", ast.dump(ast.parse(text)))
    code = "".join(line for line in text.splitlines(keepends=True) if not line.startswith(("#", "//")))
    return re.sub(_LITERALS[snippets.suffix(name)], "«»", code, flags=re.MULTILINE)


PRINTABLE = st.text(min_size=1, max_size=60).filter(lambda text: text.isprintable() and text == text.strip())
NASTY = st.text("\"'\\`$(){}%#;&|<>!*?[]~ \tu0aé😀=@,-/.:x", min_size=1, max_size=40).filter(
    lambda text: text.isprintable() and text == text.strip()
)


@given(user=PRINTABLE | NASTY, name=st.sampled_from(snippets.names()), mode=st.sampled_from(MODES))
def test_no_user_breaks_out_of_its_quotes(user: str, name: str, mode: Mode) -> None:
    try:
        text = rendered(name, mode, user=user, ca_file=user)
    except UsageError:
        assert ":" in user or "${" in user
        return
    assert skeleton(name, text) == skeleton(name, rendered(name, mode, user="tame", ca_file="tame"))
    assert len(text.splitlines()) == len(rendered(name, mode, ca_file="tame").splitlines())


@given(PRINTABLE | NASTY)
def test_a_quoted_value_means_itself(text: str) -> None:
    quoted = snippets._QUOTES
    assert ast.literal_eval(quoted["string"](text)) == text
    assert json.loads(quoted["string"](text)) == text
    assert shlex.split(quoted["sh"](text)) == [text]
    assert re.sub(r"\\([\\'])", r"\1", quoted["php"](text)[1:-1]) == text
    assert quoted["postfix"](text).replace("$$", "$") == text
    if "${" not in text:
        assert loaded(quoted["properties"](text)) == text


def loaded(value: str) -> str:
    """A value of a properties file as java.util.Properties.load reads it."""
    assert value.isascii()
    units = re.sub(r"\\u([0-9a-f]{4})|\\(.)", lambda m: chr(int(m[1], 16)) if m[1] else m[2], value)
    return units.encode("utf-16-be", "surrogatepass").decode("utf-16-be")


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": 'x"; rm'},
        {"host": "a b"},
        {"host": "x.test\n"},
        {"host": ""},
        {"port": 0},
        {"port": 70000},
        {"mode": Mode.PLAIN},
        {"mode": Mode.AUTO},
        {"user": ""},
        {"user": "a\nb"},
        {"user": "a\u2028b"},
        {"user": " a"},
        {"user": "x" * 400},
        {"sender": "-oQ@x.test"},
        {"sender": "a\r\nb@x.test"},
        {"recipient": "a@x.test>,<b@x.test"},
        {"recipient": "nobody"},
    ],
)
def test_what_no_setting_can_hold_is_refused(wrong: dict[str, object]) -> None:
    right: dict[str, object] = {"host": "x.test", "port": 25, "mode": Mode.STARTTLS, "user": "u"}
    right |= {"sender": SENDER, "recipient": RECIPIENT}
    snippets.render("smtplib", **right)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        snippets.render("smtplib", **{**right, **wrong})  # type: ignore[arg-type]


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"nodemailer$"):
        rendered("nodemialer")
    with pytest.raises(UsageError, match="aiosmtplib, curl"):
        rendered("???")


@pytest.mark.parametrize("name", ["curl", "postfix"])
def test_a_user_with_a_colon_is_refused_where_the_colon_ends_it(name: str) -> None:
    with pytest.raises(UsageError, match="':'"):
        rendered(name, user="a:b")


@pytest.mark.parametrize("host", ["::1", "2001:db8::7"])
def test_an_ipv6_address_stands_in_brackets_before_a_port(host: str) -> None:
    for name in ("curl", "net-smtp", "postfix"):
        text = snippets.render(name, host, 465, Mode.IMPLICIT, PLAIN, SENDER, RECIPIENT)
        assert f"[{host}]:465" in text


# The command


@pytest.fixture(scope="module")
def lab() -> Iterator[Background]:
    with background() as running_lab:
        yield running_lab


async def smtpcheck(home: Path, *words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "smtpcheck", "settings", *words]
    done = await asyncio.to_thread(forked.run, command, cwd=home, env={**os.environ, "HOME": str(home)})
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("fault", "mode"),
    [
        ("healthy", Mode.STARTTLS),
        ("healthy-implicit", Mode.IMPLICIT),
        ("auth-refused", Mode.STARTTLS),
        ("certificate-expired", Mode.STARTTLS),
        ("tls-implicit-on-starttls-port", Mode.STARTTLS),
        ("plain-on-implicit-tls-port", Mode.IMPLICIT),
    ],
)
async def test_settings_from_a_report(lab: Background, fault: str, mode: Mode, tmp_path: Path) -> None:
    started = await asyncio.to_thread(lab.start, fault)
    report = await api.acheck(started.target, password=started.password, **started.options)
    file = api.dump(report, tmp_path / "report.json")

    status, said = await smtpcheck(tmp_path, str(file), "--for", "smtplib")

    assert status == 0, said
    assert said.rstrip("\n") == snippets.render(
        *("smtplib", started.host, started.port, mode, started.target, started.target, started.target),
        ca_file=started.options["ca_file"],
    ).rstrip("\n")


@pytest.mark.parametrize("fault", ["connect-refused", "host-typo", "starttls-not-offered", "mx-healthy"])
async def test_no_settings_follow_from_a_report_without_tls(lab: Background, fault: str, tmp_path: Path) -> None:
    started = await asyncio.to_thread(lab.start, fault)
    report = await api.acheck(started.target, **started.options)
    with pytest.raises(UsageError):
        snippets.observed(report)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("smtp.x.test:587",), ("smtp.x.test", 587, Mode.STARTTLS, snippets.EXAMPLE)),
        (("smtp.x.test:465",), ("smtp.x.test", 465, Mode.IMPLICIT, snippets.EXAMPLE)),
        (("smtps://smtp.x.test",), ("smtp.x.test", 465, Mode.IMPLICIT, snippets.EXAMPLE)),
        (("smtp.x.test:2465", "--mode", "implicit"), ("smtp.x.test", 2465, Mode.IMPLICIT, snippets.EXAMPLE)),
        (("smtp.x.test:587", "--user", "a@x.test"), ("smtp.x.test", 587, Mode.STARTTLS, "a@x.test")),
    ],
)
async def test_settings_by_hand(words: tuple[str, ...], wanted: tuple[str, int, Mode, str], tmp_path: Path) -> None:
    host, port, mode, user = wanted

    status, said = await smtpcheck(tmp_path, *words, "--for", "curl", "--to", RECIPIENT)

    assert status == 0, said
    assert said.rstrip("\n") == snippets.render("curl", host, port, mode, user, user, RECIPIENT).rstrip("\n")


async def test_without_a_name_the_values_and_the_names_are_listed(tmp_path: Path) -> None:
    status, said = await smtpcheck(tmp_path, "smtp.x.test:465")

    assert status == 0
    for word in ("smtp.x.test", "465", "implicit", *snippets.names()):
        assert word in said


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("smtp.x.test:2525",), "--mode"),
        (("smtp.x.test",), "HOST:PORT"),
        (("me@x.test",), "HOST:PORT"),
        (("smtp.x.test:465", "--for", "nodemialer"), "nodemailer"),
        (("smtp.x.test:465", "--mode", "plain"), "--mode"),
        (("smtp.x.test:465", "--user", "a:b", "--for", "curl"), "':'"),
        (("missing.json",), "missing.json"),
        (("broken.json",), "broken.json"),
    ],
)
async def test_usage_errors(words: tuple[str, ...], hint: str, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")

    status, said = await smtpcheck(tmp_path, *words)

    assert status == 2, said
    assert hint in said
    assert "bug" not in said


def test_a_target_by_hand_keeps_its_ca_file() -> None:
    found = snippets.stated(parse_target("smtp.x.test:465", ca_file="/x.pem", user="u"))
    assert (found.ca_file, found.user, found.sender) == ("/x.pem", "u", snippets.EXAMPLE)
