"""How do swaks, `openssl s_client` and smtplib fare on the same faults? Each is run on them, its last words are kept.

    python -m benchmarks.compared > docs/compared.md

Counted is what can be counted without taste: a fault after which the tool ends as if all were well was *not noticed*;
last words that faults of different causes share, host names and numbers aside, *do not decide* between them. A server's
own words count as telling, although these tools do not say what they mean. Before that each must have done its work on
healthy accounts: a tool that fails on everything would notice everything. Needs the Debian packages openssl, swaks,
libnet-ssleay-perl and libauthen-sasl-perl.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.peers import IdleError
from smtpcheck.core import Mode
from smtpcheck.lab import Background, Practice, background
from smtpcheck.lab.ledger import Ledger
from tests.expectations import EXPECTED

SECONDS = 3
AT_ONCE = 6
# what is asked of a connection; names, the clock and the mailbox are nothing that these tools look at
NOT_ASKED = re.compile(r"dns-|mx-|clock-|ntp-|host-|config-|accepted-|mailbox-|cert-chain-incomplete-aia")
_VARIABLE = re.compile(
    r"\S*lab\.test\S*|localhost\S*|0x[0-9a-f]+|\b[0-9A-F]{12,}\b|(?<![\w.])\d{3,}(?!\d* \d\.\d)|:\d+\b"
    r"|[\w/.-]+\.[chp]y?\b"
)
Said = tuple[bool, str]
"""Ended as if all were well, and the last words."""


def openssl(practice: Practice) -> Said:
    """The handshake and the chain; s_client speaks no SMTP after that."""
    where = ["-connect", f"127.0.0.1:{practice.port}", "-servername", practice.host]
    checks = ["-verify_hostname", practice.host, "-verify_return_error", "-CAfile", practice.options["ca_file"]]
    start = [] if practice.mode is Mode.IMPLICIT else ["-starttls", "smtp"]
    return _ran(["openssl", "s_client", *where, *checks, *start, "-brief"], _of_openssl)


def swaks(practice: Practice) -> Said:
    """The whole transaction."""
    where = ["--server", "127.0.0.1", "--port", str(practice.port), "--timeout", str(SECONDS)]
    tls = ["--tls-on-connect" if practice.mode is Mode.IMPLICIT else "--tls", "--tls-verify"]
    tls += ["--tls-ca-path", practice.options["ca_file"], "--tls-sni", practice.host]
    login = ["--auth-user", _account(practice), "--auth-password", practice.password, "--ehlo", "client.test"]
    mail = ["--from", _sender(practice), "--to", ",".join(_recipients(practice) or [_account(practice)])]
    end = [] if practice.mailbox else ["--quit-after", "RCPT" if _recipients(practice) else "AUTH"]
    return _ran(["swaks", *where, *tls, *login, *mail, *end], _of_swaks)


def library(practice: Practice) -> Said:
    """Python's smtplib, as its documentation shows it."""
    try:
        context = ssl.create_default_context(cafile=practice.options["ca_file"])
        if practice.mode is Mode.IMPLICIT:
            client: smtplib.SMTP = smtplib.SMTP_SSL(timeout=SECONDS, local_hostname="client.test", context=context)
        else:
            client = smtplib.SMTP(timeout=SECONDS, local_hostname="client.test")
        client._host = practice.host  # the name for SNI, which the constructor would look up
        with contextlib.closing(client):
            code, text = client.connect("127.0.0.1", practice.port)
            if code != 220:
                raise smtplib.SMTPConnectError(code, text)
            if practice.mode is not Mode.IMPLICIT:
                client.starttls(context=context)
            client.login(_account(practice), practice.password)
            if _recipients(practice) and not practice.mailbox:
                _asked_for(client, practice)
            if practice.mailbox:
                client.sendmail(_account(practice), [_account(practice)], "Subject: hello\n\nhello\n")
            client.quit()
    except (OSError, smtplib.SMTPException, ValueError) as error:
        return False, f"{type(error).__name__}: {error}"
    return True, ""


def _asked_for(client: smtplib.SMTP, practice: Practice) -> None:
    """MAIL and RCPT, as `sendmail` does before it sends."""
    code, text = client.mail(_sender(practice))
    if code != 250:
        raise smtplib.SMTPSenderRefused(code, text, _sender(practice))
    refused = {one: said for one in _recipients(practice) if (said := client.rcpt(one))[0] not in (250, 251)}
    if refused:
        raise smtplib.SMTPRecipientsRefused(refused)


TOOLS: Mapping[str, Callable[[Practice], Said]] = {
    "swaks": swaks,
    "openssl s_client": openssl,
    "smtplib": library,
}


def proven(lab: Background, tools: Mapping[str, Callable[[Practice], Said]]) -> None:
    """Each tool ends well on a healthy account, and the server saw it verify, log in and send. Raises IdleError."""
    for name, ask in tools.items():
        for fault in ("healthy", "healthy-implicit", "delivered"):
            practice = lab.start(fault)
            well, words = ask(practice)
            if not well:
                raise IdleError(f"{name}: {fault} ended with: {words[-300:]!r}")
            if undone := _undone(practice, asked=_ASKED.get(name, ("handshakes", "auths", "messages"))):
                raise IdleError(f"{name}: {fault} ended well, and the server saw no {undone}")


_ASKED = {"openssl s_client": ("handshakes",)}
"""What of the server's counts a tool moves, where not all."""


def _undone(practice: Practice, asked: tuple[str, ...]) -> str:
    """What the server should have seen and did not."""
    ledger = practice.smtp.ledger if practice.smtp else Ledger()
    seen = {"handshakes": bool(ledger.handshakes), "auths": bool(ledger.auths), "messages": bool(ledger.messages)}
    if not practice.mailbox:
        del seen["messages"]
    return ", ".join(what for what in asked if not seen.get(what, True))


def _ran(command: list[str], last: Callable[[str], str]) -> Said:
    try:
        done = subprocess.run(
            command, input="QUIT\n", capture_output=True, text=True, errors="replace", timeout=SECONDS * 3, check=False
        )
    except subprocess.TimeoutExpired:
        return False, "(nothing, until it was stopped)"
    return done.returncode == 0, last(done.stderr + done.stdout)


def _of_openssl(output: str) -> str:
    telling = [line for line in output.splitlines() if re.search(r"error|errno|Didn't find|refused|:num=", line)]
    return telling[0] if telling else _last(output)


def _of_swaks(output: str) -> str:
    telling = [line for line in output.splitlines() if line.startswith(("***", "<** ", "<~* "))]
    return telling[-1] if telling else _last(output)


def _last(output: str) -> str:
    return next((line for line in reversed(output.splitlines()) if line.strip()), "(nothing)")


def gist(words: str) -> str:
    """The words without what differs from run to run."""
    return re.sub(r"\s+", " ", _VARIABLE.sub("#", words)).strip()


@dataclass(frozen=True, slots=True)
class Score:
    """How one tool fared."""

    unnoticed: int
    undecided: int
    telling: int


def score(said: Mapping[str, Said], causes: Mapping[str, str]) -> Score:
    """Count what was not noticed, and what words share with another cause."""
    meanings = defaultdict(set)
    for fault, (_, words) in said.items():
        meanings[gist(words)].add(causes[fault])
    unnoticed = [fault for fault, (well, _) in said.items() if well]
    noticed = [words for well, words in said.values() if not well]
    undecided = [words for words in noticed if len(meanings[gist(words)]) > 1]
    return Score(len(unnoticed), len(undecided), len(noticed) - len(undecided))


def measured() -> tuple[dict[str, str], dict[str, dict[str, Said]]]:
    """Fault -> cause, and tool -> fault -> what it said."""
    broken = {name: row.code for name, row in EXPECTED.items() if row.verdict == "broken" and not row.refused}
    causes = {name: code for name, code in broken.items() if not NOT_ASKED.match(name)}
    said: dict[str, dict[str, Said]] = {}
    with background() as lab, ThreadPoolExecutor(AT_ONCE) as pool:
        proven(lab, TOOLS)
        practices = {name: lab.start(name) for name in causes}
        # a network that this process only plays, and exchangers, are nothing that another program could reach
        asked = {name: practice for name, practice in practices.items() if _account(practice) and not practice.dialer}
        for tool, ask in TOOLS.items():
            said[tool] = dict(zip(asked, pool.map(ask, asked.values()), strict=True))
    return {name: causes[name] for name in asked}, said


def _account(practice: Practice) -> str:
    """Who logs in there."""
    user = str(practice.options.get("user", ""))
    return user or (practice.target if "@" in practice.target else "")


def _sender(practice: Practice) -> str:
    return str(practice.options.get("sender", "")) or _account(practice)


def _recipients(practice: Practice) -> list[str]:
    """Whom the fault is about; none where it shows at the login already."""
    return list(practice.options.get("recipients", ()))


def versions() -> str:
    """What was measured."""
    said = subprocess.run([shutil.which("swaks") or "", "--version"], capture_output=True, text=True, check=True).stdout
    return (
        f"{said.splitlines()[0]}; {ssl.OPENSSL_VERSION}; Python {sys.version.split()[0]}; {datetime.now(UTC):%Y-%m-%d}"
    )


def page(causes: Mapping[str, str], said: Mapping[str, Mapping[str, Said]]) -> str:
    """The page."""
    lines = [
        "# The same faults, other tools",
        "",
        f"Written by `python -m benchmarks.compared`, which runs each tool on {len(causes)} faults of the practice",
        f"servers that show on the connection ({versions()}).",
        "",
        "- Each is asked for what the fault needs: the login, the recipients or a message; s_client speaks no SMTP.",
        "- *Not noticed*: it ends as if all were well.",
        "- *Does not decide*: its last words, host names and numbers aside, are those of faults of other causes too.",
        "- *Tells*: its last words belong to one cause; a server's own count, though nothing says what they mean.",
        "",
        "| tool | not noticed | does not decide | tells |",
        "|---|---|---|---|",
    ]
    for tool in said:
        one = score(said[tool], causes)
        lines.append(f"| {tool} | {one.unnoticed} | {one.undecided} | {one.telling} |")
    sure = sum(EXPECTED[name].confidence == "certain" for name in causes)
    lines.append(f"| smtpcheck | 0 | {len(causes) - sure} (said so: possible or likely) | {sure} |")
    lines += ["", "## Words that do not decide", ""]
    for tool in said:
        lines += [f"### {tool}", "", *_shared(said[tool], causes), ""]
    return "\n".join(lines)


def _shared(said: Mapping[str, Said], causes: Mapping[str, str]) -> list[str]:
    meanings = defaultdict(set)
    for fault, (well, words) in said.items():
        if not well:
            meanings[gist(words)].add(causes[fault])
    shared = sorted(((len(found), words, found) for words, found in meanings.items() if len(found) > 1), reverse=True)
    return [f"- `{words[:120].replace('`', '')}`: {', '.join(sorted(found))}" for _, words, found in shared]


def main() -> int:
    """Measure and print."""
    missing = [tool for tool in ("swaks", "openssl") if shutil.which(tool) is None]
    if missing:
        print(f"not installed: {', '.join(missing)}", file=sys.stderr)
        return 2
    socket.setdefaulttimeout(SECONDS)
    try:
        print(page(*measured()))
    except IdleError as error:
        print(f"no figures: a tool did not do its work: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
