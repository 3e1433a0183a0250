"""What does a mail client see of servers that are in order in an odd way?"""

from __future__ import annotations

import smtplib

import pytest

from smtpcheck.lab import Practice
from tests.lab import mail_symptoms as mail
from tests.lab.clients import secured


def rude(practice: Practice) -> None:
    """All is well until QUIT, which gets no answer and no patience."""
    with secured(practice) as client:
        client.login(practice.target, practice.password)
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
            client.quit()


SYMPTOMS = {
    "healthy-tls13-only": mail.in_order,
    "healthy-greeting-utf8": mail.greeted(b"220 smtp.healthy-greeting-utf8.lab.test ESMTP " + "欢迎使用".encode()),
    "healthy-close-on-quit": rude,
    "healthy-reset-on-quit": rude,
    "healthy-greeting-long": mail.in_order,
    "healthy-lower-case-keywords": mail.in_order,
    "healthy-unknown-keywords": mail.in_order,
}
