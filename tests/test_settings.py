"""Are targets read in layers, mistakes named without repeating a value, and consent never assumed?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smtpcheck import settings
from smtpcheck.core import Mode, Stage, Target
from smtpcheck.probes.chain import Chain
from smtpcheck.settings import Entry, Project, Surroundings, aimed, line_of, read
from smtpcheck.target.grammar import UsageError, parse_target


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def write(folder: Path, text: str, name: str = "smtpcheck.toml") -> None:
    (folder / name).write_text(text, encoding="utf-8")


def said(folder: Path, text: str = "", **more: Any) -> str:
    if text:
        write(folder, text)
    with pytest.raises(UsageError) as error:
        read(folder, more.pop("environ", {}), **more)
    return str(error.value)


def one(folder: Path, text: str, **environ: str) -> Entry:
    write(folder, text)
    (entry,) = read(folder, environ).entries
    return entry


def chain_of(entry: Entry) -> Chain:
    return next(probe for probe in entry.probes if isinstance(probe, Chain))


# What is written


def test_a_table_holds_the_options_of_check_under_their_own_names(folder: Path) -> None:
    entry = one(
        folder,
        """
        [targets.qq]
        target = "me@qq.com"
        from = "me@qq.com"
        to = ["a@b.test"]
        mode = "implicit"
        deadline = 7
        connect-to = "smtp.qq.com:465:127.0.0.1:1465"
        until = "rcpt"
        all_addresses = true
        """,
    )

    assert (entry.name, entry.spec) == ("qq", "me@qq.com")
    assert entry.options == {
        "sender": "me@qq.com",
        "recipients": ("a@b.test",),
        "mode": Mode.IMPLICIT,
        "deadline": 7.0,
        "connect_to": ("smtp.qq.com:465:127.0.0.1:1465",),
        "until": Stage.RCPT,
        "all_addresses": True,
    }


def test_every_option_of_a_target_may_be_written() -> None:
    """A new field of Target is an option here without an edit."""
    known = set(Target.__dataclass_fields__) - {"spec", "kind", "name"}

    assert known <= set(settings.OPTIONS)


def test_what_stands_above_the_tables_holds_for_all_and_a_table_wins(folder: Path) -> None:
    write(
        folder,
        """
        deadline = 5
        [chain]
        warn_days = 30
        [targets]
        short = "a.test:25"
        [targets.long]
        target = "b.test:25"
        deadline = 9
        [targets.long.chain]
        warn_days = 60
        """,
    )

    short, long = read(folder, {}).entries

    assert (short.options["deadline"], long.options["deadline"]) == (5.0, 9.0)
    assert (chain_of(short).warn_days, chain_of(long).warn_days) == (30, 60)


def test_paths_start_from_the_file_that_names_them(folder: Path) -> None:
    entry = one(folder, '[targets.x]\ntarget = "me@x.test"\nca_file = "ca.pem"\nsecret = "file:code"\nattach = ["a"]\n')

    assert entry.options["ca_file"] == str(folder / "ca.pem")
    assert entry.options["secret"] == f"file:{folder / 'code'}"
    assert entry.options["attach"] == (str(folder / "a"),)


# Layers


def test_layers_win_key_by_key(folder: Path) -> None:
    write(
        folder, '[tool.smtpcheck]\ndeadline = 1\nwait = 1\n[tool.smtpcheck.targets]\np = "p.test"\n', "pyproject.toml"
    )
    write(folder, 'deadline = 2\nntp = "n.test"\n[targets.t]\ntarget = "t.test"\nuser = "u"\n')
    write(
        folder,
        'deadline = 3\n[targets.t]\ntarget = "staging.test"\n[targets.s]\ntarget = "s.test"\n',
        "smtpcheck.staging.toml",
    )
    environ = {"SMTPCHECK_ENV": "staging", "SMTPCHECK__TARGETS__T__WAIT": "7", "SMTPCHECK__DEADLINE": "4"}

    found = {entry.name: entry for entry in read(folder, environ).entries}

    assert {name: entry.spec for name, entry in found.items()} == {"p": "p.test", "t": "staging.test", "s": "s.test"}
    assert found["t"].options == {"deadline": 4.0, "wait": 7.0, "ntp": "n.test", "user": "u"}
    assert found["p"].options == {"deadline": 4.0, "wait": 1.0, "ntp": "n.test"}


def test_the_environment_is_chosen_by_the_flag_before_the_variable_and_by_dotenv_last(folder: Path) -> None:
    for name in ("a", "b", "c"):
        write(folder, f'[targets.t]\ntarget = "{name}.test"\n', f"smtpcheck.{name}.toml")
    write(folder, "SMTPCHECK_ENV=c\n", ".env")

    assert read(folder, {}).entries[0].spec == "c.test"
    assert read(folder, {"SMTPCHECK_ENV": "b"}).entries[0].spec == "b.test"
    assert read(folder, {"SMTPCHECK_ENV": "b"}, env="a").entries[0].spec == "a.test"


@pytest.mark.parametrize(
    ("variable", "text", "option", "value"),
    [
        ("ONLY_TARGET", "true", "only_target", True),
        ("DEADLINE", "2.5", "deadline", 2.5),
        ("USER", "true", "user", "true"),
        ("TO", '["a@b.test", "c@d.test"]', "recipients", ("a@b.test", "c@d.test")),
        ("TO", "a@b.test", "recipients", ("a@b.test",)),
        ("MODE", "starttls", "mode", Mode.STARTTLS),
    ],
)
def test_a_variable_has_the_type_of_its_option(
    folder: Path, variable: str, text: str, option: str, value: object
) -> None:
    entry = one(
        folder, '[targets."my.mail"]\ntarget = "x.test"\n', **{f"SMTPCHECK__TARGETS__MY_MAIL__{variable}": text}
    )

    assert entry.options[option] == value


def test_a_variable_turns_a_knob(folder: Path) -> None:
    entry = one(folder, '[targets.x]\ntarget = "x.test"\n', SMTPCHECK__CHAIN__WARN_DAYS="3")

    assert chain_of(entry).warn_days == 3


def test_another_settings_file_stands_alone(folder: Path) -> None:
    write(folder, "deadline = 5\n")
    other = folder / "deploy"
    other.mkdir()
    write(other, '[targets.x]\ntarget = "x.test"\n', "mail.toml")

    (entry,) = read(folder, {}, file=other / "mail.toml").entries

    assert entry.options == {}


# Mistakes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[targets.x]\ndedline = 1', "targets.x.dedline: no such option or probe; did you mean deadline?"),
        ('[targets.x.chian]\nx = 1', "targets.x.chian: no such option or probe; did you mean chain?"),
        ('[targets.x.chain]\nwarn_day = 1', "targets.x.chain.warn_day: chain has no such knob; did you mean"),
        ('[targets.x.chain]\nwarn_days = "soon"', "targets.x.chain.warn_days takes a whole number"),
        ('[targets.x]\ntarget = "h"\nmode = "ssl"', "targets.x.mode is one of: auto, starttls, implicit, plain"),
        ('[targets.x]\ntarget = "h"\nsend = "yes"', "targets.x.send takes true or false"),
        ('[targets.x]\ntarget = "h"\nto = [1]', "targets.x.to takes a list of texts in quotes"),
        ('[target.x]\ntarget = "h"', "target: no such option or probe; did you mean targets?"),
        ("[targets.x]\nuser = 'u'", "targets.x: say what to check, as target = "),
        ("targets = 'x'", "write [targets.NAME], a table for each target"),
        ('[targets."a b"]\ntarget = "h"', "a target's name is of letters"),
        ("[targets.x\n", "smtpcheck.toml: "),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place_and_what_was_meant(folder: Path, text: str, expected: str) -> None:
    assert expected in said(folder, text)


@pytest.mark.parametrize(
    "line",
    [
        'password = "hunter2"',
        'passwd = "hunter2"',
        'Password = "hunter2"',
        'imap_password = "hunter2"',
        'auth_code = "hunter2"',
        'authcode = "hunter2"',
        '"授权码" = "hunter2"',
        'token = "hunter2"',
        'secret = "hunter2"',
        'imap_secret = "hunter2"',
        'secret = ["hunter2"]',
        'deadline = "hunter2"',
        'hunter = "hunter2"',
        'mode = "hunter2"',
    ],
)
@pytest.mark.parametrize("head", ['[targets.x]\ntarget = "me@x.test"\n', ""])
def test_no_mistake_repeats_a_value(folder: Path, line: str, head: str) -> None:
    message = said(folder, head + line + "\n")

    assert "hunter2" not in message
    if "pass" in line.lower() or "code" in line or "授权码" in line or "secret" in line:
        assert "env:NAME" in message


def test_a_password_in_a_variable_or_in_a_target_is_not_repeated(folder: Path) -> None:
    write(folder, '[targets.x]\ntarget = "x.test"\n')
    message = said(folder, environ={"SMTPCHECK__TARGETS__X__PASSWORD": "hunter2"})
    entry = one(folder, '[targets.x]\ntarget = "me:hunter2@x.test"\n')
    with pytest.raises(UsageError) as error:
        aimed(entry, {})

    assert "env:NAME" in message
    assert "hunter2" not in message + str(error.value)


def test_a_variable_for_a_target_that_is_none_is_a_mistake(folder: Path) -> None:
    write(folder, '[targets.work]\ntarget = "x.test"\n')

    message = said(folder, environ={"SMTPCHECK__TARGETS__WROK__USER": "u"})

    assert message == "SMTPCHECK__TARGETS__WROK__USER: no target 'wrok'; did you mean work?"


@pytest.mark.parametrize("env", ["../../etc/x", "a/b", "", " "])
def test_the_name_of_an_environment_is_no_path(folder: Path, env: str) -> None:
    write(folder, "")
    if env:
        assert "letters" in said(folder, env=env)
    else:
        assert read(folder, {}, env=env).entries == ()


def test_an_endless_file_ends(folder: Path) -> None:
    assert "larger than" in said(folder, "# long\n" * 200_000)


def test_what_is_no_text_is_said_so(folder: Path) -> None:
    (folder / "smtpcheck.toml").write_bytes(b"\xff\xfe")

    assert said(folder) == "smtpcheck.toml: not UTF-8"


def test_variables_are_never_shown() -> None:
    surroundings = Surroundings({"CODE": "hunter2"})

    assert "hunter2" not in f"{surroundings} {surroundings!r} {Project((), settings.NOTHING, surroundings)!r}"


def test_a_targets_line_is_found(folder: Path) -> None:
    write(folder, "# [targets.b]\n[targets.a]\n\n  [ targets . 'b' ]\n")
    write(folder, "[tool.smtpcheck.targets.b]\n", "pyproject.toml")

    assert line_of(folder / "smtpcheck.toml", "b") == 3
    assert line_of(folder / "pyproject.toml", "b") == 0
    assert line_of(folder / "nowhere.toml", "b") == 0


# Consent


def entry(spec: str, **options: Any) -> Entry:
    return settings.given(spec, options, Path("/nowhere"))


def test_without_consent_nobody_logs_in_and_nothing_is_sent() -> None:
    environ = {"SMTPCHECK_PASSWORD": "x", "SMTPCHECK_IMAP_PASSWORD": "x"}

    aim = aimed(entry("me@x.test", secret="env:CODE", to=["a@b.test"]), environ)

    assert (aim.secret, aim.imap_secret, aim.send, aim.until) == ("", "", False, Stage.CERTIFICATE)


@pytest.mark.parametrize("until", ["auth", "rcpt", "delivery"])
def test_until_is_no_consent(until: str) -> None:
    aim = aimed(entry("me@x.test", secret="env:CODE", to=["a@b.test"], until=until), {})

    assert (aim.secret, aim.until) == ("", Stage.CERTIFICATE)


@pytest.mark.parametrize(
    ("options", "flags", "secret", "send"),
    [
        ({"login": True}, {}, "env:SMTPCHECK_PASSWORD", False),
        ({"login": True, "secret": "env:CODE"}, {}, "env:CODE", False),
        ({"secret": "env:CODE"}, {"login": True}, "env:CODE", False),
        ({"send": True}, {}, "env:SMTPCHECK_PASSWORD", True),
        ({}, {"send": True}, "env:SMTPCHECK_PASSWORD", True),
        ({"login": False}, {"login": True}, "env:SMTPCHECK_PASSWORD", False),
    ],
)
def test_consent_is_by_table_or_flag(options: dict[str, Any], flags: dict[str, bool], secret: str, send: bool) -> None:
    aim = aimed(entry("me@x.test", **options), {}, **flags)

    assert (aim.secret, aim.send) == (secret, send)


@pytest.mark.parametrize(
    ("options", "environ", "reference"),
    [
        ({"send": True, "imap_secret": "env:BOX"}, {"SMTPCHECK_IMAP_PASSWORD": "x"}, "env:BOX"),
        ({"send": True}, {"SMTPCHECK_IMAP_PASSWORD": "x"}, "env:SMTPCHECK_IMAP_PASSWORD"),
        ({"send": True}, {}, ""),
        ({"login": True, "imap_secret": "env:BOX"}, {"SMTPCHECK_IMAP_PASSWORD": "x"}, ""),
    ],
)
def test_the_secret_of_the_mailbox_is_handed_on_where_a_message_is_sent(
    options: dict[str, Any], environ: dict[str, str], reference: str
) -> None:
    assert aimed(entry("me@x.test", **options), environ).imap_secret == reference


def test_a_flag_for_all_passes_over_those_that_can_not() -> None:
    assert aimed(entry("x.test:25"), {}, login=True, send=True) == parse_target("x.test:25")
    assert aimed(entry("mx:x.test"), {}, login=True, send=True) == parse_target("mx:x.test")


def test_a_relay_without_login_takes_a_message() -> None:
    aim = aimed(entry("x.test:25", **{"from": "a@x.test"}, to=["b@x.test"], send=True), {})

    assert (aim.send, aim.secret) == (True, "")


@pytest.mark.parametrize(
    "options",
    [{"login": True}, {"send": True, "login": False, "user": "u", "from": "a@b.test", "to": ["a@b.test"]}],
)
def test_what_contradicts_itself_is_a_usage_error(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="login = true"):
        aimed(entry("x.test:25", **options), {})
