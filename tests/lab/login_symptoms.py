"""What does another client see of the further ways to log in? smtplib, and scramp for SCRAM."""

from __future__ import annotations

import base64
import smtplib

import pytest
from scramp import ScramClient, ScramException

from smtpcheck.lab import Practice
from tests.lab.clients import secured
from tests.lab.mail_symptoms import Symptom


def encoded(message: str) -> str:
    return base64.b64encode(message.encode()).decode()


def decoded(challenge: bytes) -> str:
    return base64.b64decode(challenge, validate=True).decode()


def by(method: str) -> Symptom:
    """In order for smtplib by that mechanism."""

    def check(practice: Practice) -> None:
        with secured(practice) as client:
            client.user, client.password = practice.target, practice.password
            authenticate = getattr(client, f"auth_{method.lower().replace('-', '_')}")
            assert client.auth(method, authenticate)[0] == 235
        with secured(practice) as client:
            client.user, client.password = practice.target, "wrong"
            with pytest.raises(smtplib.SMTPAuthenticationError, match="535"):
                client.auth(method, getattr(client, f"auth_{method.lower().replace('-', '_')}"))

    return check


def prompts(first: bytes, second: bytes) -> Symptom:
    """LOGIN with these challenges, which smtplib could not decode."""

    def check(practice: Practice) -> None:
        with secured(practice) as client:
            assert client.docmd("AUTH", "LOGIN") == (334, first)
            assert client.docmd(encoded(practice.target)) == (334, second)
            assert client.docmd(encoded(practice.password))[0] == 235

    return check


def opened(client: smtplib.SMTP, practice: Practice, mechanism: str, password: str) -> tuple[ScramClient, bytes]:
    scram = ScramClient([mechanism], practice.target, password)
    code, challenge = client.docmd("AUTH", f"{mechanism} {encoded(scram.get_client_first())}")
    assert code == 334
    return scram, challenge


def scram(mechanism: str, answer: int = 235) -> Symptom:
    """In order, with the right signature; a wrong password is refused without one."""

    def check(practice: Practice) -> None:
        for password, code in ((practice.password, 334), ("wrong", answer if answer != 235 else 535)):
            with secured(practice) as client:
                login, challenge = opened(client, practice, mechanism, password)
                login.set_server_first(decoded(challenge))
                seen = client.docmd(encoded(login.get_client_final()))
                assert seen[0] == code
                if code == 334:
                    login.set_server_final(decoded(seen[1]))
                    assert client.docmd("")[0] == answer

    return check


def impostor(practice: Practice) -> None:
    with secured(practice) as client:
        login, challenge = opened(client, practice, "SCRAM-SHA-256", "anything")
        login.set_server_first(decoded(challenge))
        code, final = client.docmd(encoded(login.get_client_final()))
        assert code == 334
        with pytest.raises(ScramException):
            login.set_server_final(decoded(final))
        assert client.docmd("")[0] == 235


def unsigned(practice: Practice) -> None:
    with secured(practice) as client:
        login, challenge = opened(client, practice, "SCRAM-SHA-256", "anything")
        login.set_server_first(decoded(challenge))
        assert client.docmd(encoded(login.get_client_final()))[0] == 235


def scram_challenge(mechanism: str, error: str) -> Symptom:
    """The server's first message does not pass."""

    def check(practice: Practice) -> None:
        with secured(practice) as client:
            login, challenge = opened(client, practice, mechanism, practice.password)
            with pytest.raises(ScramException, match=error):
                login.set_server_first(decoded(challenge))

    return check


def challenge(mechanism: str, said: bytes) -> Symptom:
    def check(practice: Practice) -> None:
        with secured(practice) as client:
            first = "" if mechanism == "CRAM-MD5" else " " + encoded("n,,n=me,r=nonce")
            assert client.docmd("AUTH", mechanism + first) == (334, said)
            assert client.docmd("*")[0] == 501

    return check


def token(practice: Practice) -> None:
    bearer = f"auth=Bearer {practice.password}\1\1"
    said = {"XOAUTH2": f"user={practice.target}\1{bearer}", "OAUTHBEARER": f"n,a={practice.target},\1{bearer}"}
    farewell = {"XOAUTH2": "", "OAUTHBEARER": "AQ=="}
    for mechanism, message in said.items():
        with secured(practice) as client:
            assert client.docmd("AUTH", f"{mechanism} {encoded(message)}")[0] == 235
        with secured(practice) as client:
            wrong = encoded(message.replace("Bearer ", "Bearer x"))
            assert client.docmd("AUTH", mechanism) == (334, b"")
            code, reason = client.docmd(wrong)
            assert (code, decoded(reason)[:25]) == (334, '{"status":"invalid_token"')
            assert client.docmd(farewell[mechanism])[0] == 535
