"""Do targets become tests as pytest's users expect: ids, selection, one run, failures, skips, exit status?"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest

from smtpcheck.lab import Background, Practice, background
from tests.pytest_plugin.projects import INI, table

pytest_plugins = ["pytester"]

WAY = ["config", "address", "submission", "port", "greeting", "tls", "chain", "clock"]


@pytest.fixture(scope="module")
def lab() -> Iterator[Background]:
    with background() as running:
        yield running


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    for name in ("SMTPCHECK_PASSWORD", "SMTPCHECK_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SMTPCHECK_LANG", "en")
    pytester.makeini(INI)
    return pytester


def settings(project: pytest.Pytester, *tables: str) -> None:
    (project.path / "smtpcheck.toml").write_text("\n".join(tables), encoding="utf-8")


def ids(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if "::" in line and " " not in line]


def connections(practice: Practice) -> int:
    assert practice.smtp is not None
    return practice.smtp.ledger.connections


def logins(practice: Practice) -> int:
    assert practice.smtp is not None
    return practice.smtp.ledger.auths


# Ids and what is collected


def test_one_item_for_each_target_and_question_in_the_order_of_the_way(
    project: pytest.Pytester, lab: Background
) -> None:
    one, two = lab.start("healthy"), lab.start("healthy")
    settings(project, table(one, "one"), table(two, "two"))

    result = project.runpytest("--collect-only", "-q")

    assert ids(result) == [f"smtpcheck.toml::{p.target}::{question}" for p in (one, two) for question in WAY]
    assert connections(one) == 0, "collecting asks nobody"


def test_ids_end_in_the_host_the_port_and_the_question(project: pytest.Pytester) -> None:
    settings(project, '[targets.qq]\ntarget = "smtp.qq.com:587"\nonly_target = true\n')

    result = project.runpytest("--collect-only", "-q")

    assert "smtpcheck.toml::smtp.qq.com:587::chain" in ids(result)


def test_two_targets_written_alike_are_told_apart_and_an_ipv6_address_breaks_no_id(project: pytest.Pytester) -> None:
    settings(
        project,
        "only_target = true",
        '[targets]\na = "h.test:25"\nb = "h.test:25"\nsix = "[::1]:587"\n',
    )

    result = project.runpytest("--collect-only", "-q", "--smtp-target", "[::1]:25")

    groups = {one.rpartition("::")[0] for one in ids(result)}
    assert groups == {
        *("smtpcheck.toml::a=h.test:25", "smtpcheck.toml::b=h.test:25", "smtpcheck.toml::six"),
        "--1:25",
    }


def test_a_folder_further_down_is_collected_only_by_name(project: pytest.Pytester) -> None:
    below = project.mkdir("vendored")
    (below / "smtpcheck.toml").write_text('[targets.x]\ntarget = "x.test:25"\nonly_target = true\n')

    for words in ((), ("vendored",)):
        assert project.runpytest("--collect-only", "-q", *words).ret == pytest.ExitCode.NO_TESTS_COLLECTED
    named = project.runpytest("--collect-only", "-q", "vendored/smtpcheck.toml")

    assert "vendored/smtpcheck.toml::x.test:25::port" in ids(named)


def test_testpaths_do_not_hide_the_root_folders_targets_but_a_named_path_does(project: pytest.Pytester) -> None:
    project.makeini(INI + "testpaths = tests\n")
    project.mkdir("tests").joinpath("test_a.py").write_text("def test_a(): pass\n")
    settings(project, '[targets.x]\ntarget = "x.test:25"\nonly_target = true\n')

    everything, named = project.runpytest("--collect-only", "-q"), project.runpytest("--collect-only", "-q", "tests")

    assert "smtpcheck.toml::x.test:25::port" in ids(everything)
    assert ids(named) == ["tests/test_a.py::test_a"]


def test_pyproject_alone_is_enough(project: pytest.Pytester) -> None:
    project.makepyprojecttoml('[tool.smtpcheck]\nonly_target = true\n[tool.smtpcheck.targets]\nx = "x.test:25"\n')

    assert "pyproject.toml::x.test:25::port" in ids(project.runpytest("--collect-only", "-q"))


def test_the_command_line_adds_targets_without_any_file(project: pytest.Pytester) -> None:
    result = project.runpytest("--collect-only", "-q", "--smtp-target", "x.test:25", "--smtp-target", "mx:y.test")

    groups = list(dict.fromkeys(one.rpartition("::")[0] for one in ids(result)))
    assert groups == ["x.test:25", "mx:y.test"]
    assert "mx:y.test::mx" in ids(result)


@pytest.mark.parametrize("words", [(), ("-n", "1")])
def test_a_target_of_the_command_line_that_makes_no_sense_is_a_usage_error(
    project: pytest.Pytester, words: tuple[str, ...]
) -> None:
    result = project.runpytest("--smtp-target", "user:hunter2@host", *words)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --smtp-target: *"])
    assert "hunter2" not in result.stderr.str() + result.stdout.str()


def test_a_mistake_in_the_file_is_a_collection_error_in_one_line(project: pytest.Pytester) -> None:
    settings(project, '[targets.x]\ntarget = "x.test:25"\ndedline = 3\n')

    result = project.runpytest()

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["smtpcheck.toml: targets.x.dedline: no such option or probe; did you mean deadline?"])
    assert "Traceback" not in result.stdout.str()


# One run


def test_all_questions_of_a_target_cost_one_connection(project: pytest.Pytester, lab: Background) -> None:
    practice = lab.start("healthy")
    settings(project, table(practice, "one"))

    project.runpytest().assert_outcomes(passed=len(WAY))

    assert connections(practice) == 1
    assert logins(practice) == 0


@pytest.mark.parametrize(("word", "expected"), [("config", 0), ("address", 0), ("clock", 0), ("port", 1), ("chain", 1)])
def test_a_selected_item_speaks_no_further_than_it_must(
    project: pytest.Pytester, lab: Background, word: str, expected: int
) -> None:
    practice = lab.start("healthy")
    settings(project, table(practice, "one"))

    project.runpytest("-k", word).assert_outcomes(passed=1, deselected=len(WAY) - 1)

    assert connections(practice) == expected
    assert practice.smtp is not None
    said = practice.smtp.ledger.commands
    assert (said["EHLO"] > 0) is (word == "chain"), "a port is tried without a word"


def test_the_name_of_a_table_selects_by_keyword_and_the_marker_by_m(project: pytest.Pytester, lab: Background) -> None:
    settings(project, table(lab.start("healthy"), "work"), table(lab.start("healthy"), "home"))
    project.makepyfile("def test_other(): pass")

    project.runpytest("-k", "work").assert_outcomes(passed=len(WAY), deselected=len(WAY) + 1)
    project.runpytest("-m", "not smtpcheck").assert_outcomes(passed=1, deselected=2 * len(WAY))


def test_an_item_is_named_on_the_command_line(project: pytest.Pytester, lab: Background) -> None:
    practice = lab.start("healthy")
    settings(project, table(practice, "one"))

    project.runpytest(f"smtpcheck.toml::{practice.target}::chain").assert_outcomes(passed=1)


def test_x_stops_and_lf_comes_back(project: pytest.Pytester, lab: Background) -> None:
    settings(project, table(lab.start("certificate-expired"), "bad"), table(lab.start("healthy"), "good"))
    project.makepyfile("def test_other(): pass")

    project.runpytest("-x").assert_outcomes(passed=WAY.index("chain"), failed=1)
    again = project.runpytest("--lf")

    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["*chain of me@certificate-expired*"])


# What a failure says


def test_a_failure_shows_cause_evidence_and_steps_and_no_traceback(project: pytest.Pytester, lab: Background) -> None:
    practice = lab.start("certificate-chain-incomplete")
    settings(project, table(practice, "bad"))

    result = project.runpytest()

    result.assert_outcomes(passed=len(WAY) - 1, failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            f"*chain of {practice.target}*",
            "*Cause (certain): the server does not send its intermediate certificate*",
            "*smtpcheck saw: unable to get local issuer certificate*",
            "*What to do*",
            "*= smtpcheck =*",
            f"✗ broken   {practice.target}",
            "FAILED smtpcheck.toml::*::chain - cert*",
        ]
    )
    text = result.stdout.str()
    assert "Traceback" not in text
    assert "items.py" not in text


@pytest.mark.parametrize("style", ["short", "line", "native", "no"])
def test_every_style_of_traceback_is_free_of_ours(project: pytest.Pytester, lab: Background, style: str) -> None:
    settings(project, table(lab.start("connect-refused"), "bad"))

    text = project.runpytest(f"--tb={style}", "-l").stdout.str()

    assert "items.py" not in text
    assert "connect-refused" in text


def test_what_an_earlier_break_blocks_is_skipped_with_its_reason(project: pytest.Pytester, lab: Background) -> None:
    settings(project, table(lab.start("connect-refused"), "bad"))

    result = project.runpytest("-rs")

    result.assert_outcomes(passed=4, failed=1, skipped=3)
    result.stdout.fnmatch_lines(
        [
            "*? greeting, tls, chain: connection: the connection was refused*",
            "3 not tested: *",
            "SKIPPED [[]3[]] smtpcheck.toml:1: not reached: connection: the connection was refused*",
        ]
    )


def test_a_blocked_question_selected_alone_is_not_green(project: pytest.Pytester, lab: Background) -> None:
    settings(project, table(lab.start("connect-refused"), "bad"))

    result = project.runpytest("-k", "chain")

    result.assert_outcomes(skipped=1, deselected=len(WAY) - 1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(("said", "status"), [("", 1), ("fail", 1), ("skip", 0)])
def test_what_could_not_be_tested_fails_the_run_unless_the_ini_file_says_otherwise(
    project: pytest.Pytester, lab: Background, said: str, status: int
) -> None:
    project.makeini(INI + (f"smtpcheck_inconclusive = {said}\n" if said else ""))
    settings(project, table(lab.start("starttls-hangs"), "slow", deadline=1.0))

    result = project.runpytest()

    assert result.parseoutcomes().get("failed", 0) == 0
    assert result.parseoutcomes()["skipped"] == 3
    assert result.ret == status
    result.stdout.fnmatch_lines(["[?] could not tell *", "3 not tested: that is no pass*"])


def test_a_silent_time_server_beside_a_good_verdict_is_told_and_fails_nothing(
    project: pytest.Pytester, lab: Background
) -> None:
    settings(project, table(lab.start("ntp-blocked"), "one"))

    result = project.runpytest()

    result.assert_outcomes(passed=len(WAY) - 1, skipped=1)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*? clock: *", "1 not tested: that is no pass, but*"])


def test_a_silent_time_server_alone_is_not_green(project: pytest.Pytester, lab: Background) -> None:
    settings(project, table(lab.start("ntp-blocked"), "one"))

    assert project.runpytest("-k", "clock").ret == pytest.ExitCode.TESTS_FAILED


def test_a_word_that_the_ini_option_does_not_know_is_a_usage_error(project: pytest.Pytester) -> None:
    project.makeini(INI + "smtpcheck_inconclusive = maybe\n")

    assert project.runpytest().ret == pytest.ExitCode.USAGE_ERROR


def test_a_warning_passes_and_stands_in_the_summary(project: pytest.Pytester, lab: Background) -> None:
    settings(project, table(lab.start("certificate-expires-soon"), "soon"))

    result = project.runpytest()

    result.assert_outcomes(passed=len(WAY))
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*! certificate: the certificate expires on *"])


def test_a_knob_changes_what_is_found(project: pytest.Pytester, lab: Background) -> None:
    practice = lab.start("certificate-expires-soon")
    settings(project, table(practice, "soon"), "[targets.soon.chain]\nwarn_days = 2\n")

    assert "expires on" not in project.runpytest().stdout.str()


def test_chinese(project: pytest.Pytester, lab: Background, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTPCHECK_LANG", "zh-CN")
    settings(project, table(lab.start("connect-refused"), "bad"))

    project.runpytest().stdout.fnmatch_lines(["*怎么办*", "3 项没有测成*"])


# Consent


def test_a_secret_in_reach_alone_logs_nobody_in(
    project: pytest.Pytester, lab: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    practice = lab.start("healthy")
    monkeypatch.setenv("SMTPCHECK_PASSWORD", practice.password)
    settings(project, table(practice, "one", secret="env:SMTPCHECK_PASSWORD", to=["you@healthy.lab.test"]))

    result = project.runpytest("-v")

    result.assert_outcomes(passed=len(WAY))
    assert logins(practice) == 0
    assert practice.smtp is not None
    assert practice.smtp.ledger.commands["MAIL"] == 0
    result.stdout.fnmatch_lines(["*login, delivery not tested*"])


@pytest.mark.parametrize("by", ["table", "flag"])
def test_a_login_is_asked_for_by_the_table_or_the_flag(project: pytest.Pytester, lab: Background, by: str) -> None:
    practice = lab.start("healthy", password="from .env+/=")
    (project.path / ".env").write_text('WORK_CODE="from .env+/="\n')
    settings(project, table(practice, "one", secret="env:WORK_CODE", **({"login": True} if by == "table" else {})))

    project.runpytest(*(["--smtp-login"] if by == "flag" else [])).assert_outcomes(passed=len(WAY) + 2)

    assert logins(practice) == 1
    assert practice.smtp is not None
    assert practice.smtp.ledger.messages == []


@pytest.mark.parametrize("by", ["table", "flag", "nobody"])
def test_a_message_is_sent_only_when_asked_for(
    project: pytest.Pytester, lab: Background, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    practice = lab.start("delivered")
    monkeypatch.setenv("SMTPCHECK_PASSWORD", practice.password)
    settings(project, table(practice, "one", wait=5.0, send=by == "table"))

    result = project.runpytest(*(["--smtp-send"] if by == "flag" else []))

    sent = 0 if by == "nobody" else 1
    result.assert_outcomes(passed=len(WAY) + (5 if sent else 0))
    assert practice.smtp is not None
    assert len(practice.smtp.ledger.messages) == sent


def test_a_password_that_is_not_there_is_a_login_not_tested(project: pytest.Pytester, lab: Background) -> None:
    practice = lab.start("healthy")
    settings(project, table(practice, "one", secret="env:NOWHERE", login=True))

    result = project.runpytest()

    result.assert_outcomes(passed=len(WAY), skipped=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*? auth: env:NOWHERE: is not set"])


# Environments


def test_an_environment_is_laid_over_by_flag_or_variable(
    project: pytest.Pytester, lab: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(project, table(lab.start("connect-refused"), "mail"))
    (project.path / "smtpcheck.staging.toml").write_text(table(lab.start("healthy"), "mail"), encoding="utf-8")

    assert project.runpytest().ret == 1
    assert project.runpytest("--smtp-env", "staging").ret == 0
    monkeypatch.setenv("SMTPCHECK_ENV", "staging")
    assert project.runpytest().ret == 0
    unknown = project.runpytest("--smtp-env", "stagign")

    unknown.stdout.fnmatch_lines(["no smtpcheck.stagign.toml for the environment 'stagign'; there are: staging"])


# Machines read it


def test_junit_carries_target_code_and_confidence(project: pytest.Pytester, lab: Background) -> None:
    practice = lab.start("certificate-expired")
    settings(project, table(practice, "bad"))

    project.runpytest("--junitxml=out.xml")

    root = ET.parse(project.path / "out.xml").getroot()  # noqa: S314 - written by the line above
    cases = {case.attrib["name"]: case for case in root.iter("testcase")}
    said = {
        name: {one.attrib["name"]: one.attrib["value"] for one in case.iter("property")} for name, case in cases.items()
    }
    assert said["chain"] == {
        "smtpcheck_target": practice.target,
        "smtpcheck_verdict": "broken",
        "smtpcheck_code": "certificate-expired",
        "smtpcheck_confidence": "certain",
        "smtpcheck_status": "fail",
    }
    assert "smtpcheck_code" not in said["port"]
    failure = cases["chain"].find("failure")
    assert failure is not None
    assert failure.attrib["message"].startswith("certificate-expired: ")
    assert "What to do" in (failure.text or "")


def test_what_a_server_says_moves_no_terminal_and_breaks_no_xml(project: pytest.Pytester, lab: Background) -> None:
    evil = "554 \x1b[2J\x1b]0;owned\x07 ]]><b>&amp; \u009b31m [bold]x[/bold]\r\n"
    practice = lab.start("greeting-554-dnsbl", script={"greeting": evil})
    settings(project, table(practice, "bad"))

    result = project.runpytest("-ra", "--junitxml=out.xml")

    text = result.stdout.str()
    assert "owned" in text
    assert not set("\x1b\x07\x9b") & set(text)
    failure = next(ET.parse(project.path / "out.xml").getroot().iter("failure"))  # noqa: S314 - written above
    assert "owned" in (failure.text or "")


def test_a_failure_has_colour_where_the_terminal_has_and_the_xml_has_none(
    project: pytest.Pytester, lab: Background
) -> None:
    settings(project, table(lab.start("connect-refused"), "bad"))

    coloured = project.runpytest("--color=yes", "--junitxml=out.xml").stdout.str()

    assert "\x1b[1;31m✗ broken" in coloured
    assert "x1B" not in (project.path / "out.xml").read_text("utf-8")
    assert "\x1b" not in project.runpytest("--color=no").stdout.str()


def test_an_option_that_only_the_run_refuses_fails_once(project: pytest.Pytester, lab: Background) -> None:
    settings(project, table(lab.start("healthy"), "one", ca_file="nowhere.pem"))

    result = project.runpytest()

    result.assert_outcomes(failed=1, skipped=len(WAY) - 1)
    result.stdout.fnmatch_lines(["no certificates in *nowhere.pem: *"])


def test_two_files_may_name_different_targets_alike(project: pytest.Pytester, lab: Background) -> None:
    one, two = lab.start("healthy"), lab.start("healthy")
    settings(project, table(one, "mail"))
    (project.path / "other.toml").write_text(table(two, "mail"), encoding="utf-8")

    project.runpytest("smtpcheck.toml", "other.toml").assert_outcomes(passed=2 * len(WAY))

    assert (connections(one), connections(two)) == (1, 1)


def test_a_target_in_the_file_and_on_the_command_line_is_checked_once(
    project: pytest.Pytester, lab: Background
) -> None:
    practice = lab.start("healthy")
    settings(project, table(practice, "mail"))

    project.runpytest("--smtp-target", "mail", "--smtp-target", practice.target).assert_outcomes(passed=2 * len(WAY))

    assert connections(practice) == 1
