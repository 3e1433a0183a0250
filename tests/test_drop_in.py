"""Does a file dropped into probes/ or report/formats/ show up everywhere, with no other edit?"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import smtpcheck
from smtpcheck.lab import background
from tests.pytest_plugin.projects import table

PROBE = '''
"""Is the port number a lucky one?"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck import route
from smtpcheck.contract import Probe
from smtpcheck.core import Finding, Result, Rule, Severity, Stage, Subject, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class LuckyFacts:
    port: int
    seen: bytes = b"\\x00\\xff"


@dataclass(frozen=True, slots=True)
class Lucky(Probe[LuckyFacts]):
    """Looks at the number."""

    divisor: int = 1
    name = "lucky"
    rules = (Rule("lucky-port", Severity.WARN, Stage.CONNECT, "RFC 9999"),)

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        return route.endpoints(target, earlier)

    async def observe(self, subject: Subject, ctx: Any) -> LuckyFacts:
        return LuckyFacts(port=subject.port)

    def judge(self, facts: LuckyFacts) -> Iterator[Finding]:
        if facts.port % self.divisor == 0:
            yield self.found("lucky-port", port=facts.port)
'''
ADVICE = """
[en]
summary = "port {port} is a lucky number"
steps = ["Keep it."]
otherwise = "move on"

[zh-CN]
summary = "端口 {port} 是个吉利数字"
steps = ["保持不变。"]
otherwise = "继续"
"""


def test_a_dropped_probe_shows_up_everywhere(tmp_path: Path) -> None:
    package = tmp_path / "smtpcheck"
    shutil.copytree(Path(smtpcheck.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "probes" / "lucky.py").write_text(PROBE, encoding="utf-8")
    (package / "advice" / "lucky").mkdir()
    (package / "advice" / "lucky" / "lucky-port.toml").write_text(ADVICE, encoding="utf-8")

    with background() as lab:
        practice = lab.start("healthy")
        words = [w for name, value in practice.options.items() for w in (f"--{name.replace('_', '-')}", str(value))]
        environ = os.environ | {"PYTHONPATH": str(tmp_path), "SMTPCHECK_PASSWORD": practice.password}

        def command(*arguments: str, program: str = "smtpcheck") -> str:
            done = subprocess.run(
                [sys.executable, "-m", program, *arguments],
                cwd=tmp_path,
                env=environ,
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        report = json.loads(command("check", practice.target, "--json", "-", *words))
        english = command("check", practice.target, "-v", "--lang", "en", *words)
        chinese = command("check", practice.target, "--lang", "zh-CN", *words)
        settings = tmp_path / "smtpcheck.toml"
        settings.write_text(table(practice, "one"), encoding="utf-8")
        plain = command("-q", "-k", "lucky", program="pytest")
        (tmp_path / "smtpcheck.toml").write_text(
            "[lucky]\ndivisor = 99999\n" + table(practice, "one"), encoding="utf-8"
        )
        tuned = command("-v", "-k", "lucky", program="pytest")

    result = next(r for r in report["results"] if r["probe"] == "lucky")
    assert result["outcome"] == {"port": practice.port, "seen": "\\x00\\xff"}
    assert [f["ref"] for f in report["findings"] if f["code"] == "lucky-port"] == ["RFC 9999"]
    assert f"port {practice.port} is a lucky number" in english
    assert "lucky" in english
    assert f"端口 {practice.port} 是个吉利数字" in chinese
    assert f"port {practice.port} is a lucky number" in plain
    assert f"smtpcheck.toml::{practice.target}::lucky PASSED" in tuned
    assert "lucky number" not in tuned
    assert "Keep it." in command("explain", "lucky-port", "--lang", "en")
    assert "lucky" in command("check", "--help")


FORMAT = '''
"""How is it shouted?"""

SUFFIX = ".shout"


def render(reports, *, lang):
    return "".join(f"{report.verdict}!\\n".upper() for report in reports)
'''


def test_a_dropped_format_shows_up_everywhere(tmp_path: Path) -> None:
    package = tmp_path / "smtpcheck"
    shutil.copytree(Path(smtpcheck.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "report" / "formats" / "shout.py").write_text(FORMAT, encoding="utf-8")
    example = Path(__file__).parent.parent / "reports" / "example.json"

    def command(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "smtpcheck", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout

    assert "shout (.shout)" in " ".join(command("report", "--help").split())
    assert ".shout" in command("check", "--help")
    assert command("report", str(example), str(example), "--format", "shout") == "BROKEN!\nBROKEN!\n"
    command("report", str(example), "-o", "r.shout")
    assert (tmp_path / "r.shout").read_text("utf-8") == "BROKEN!\n"
