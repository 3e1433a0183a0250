"""What does a mail client see of what looks like another fault, or like one where there is none?"""

from __future__ import annotations

from tests.lab import mail_symptoms as mail
from tests.lab import name_symptoms as names
from tests.lab import words_symptoms as words
from tests.lab import zoo_symptoms as zoo

SYMPTOMS = {
    "ehlo-name-rejected-helo-taken": zoo.helo_only,
    "healthy-password-ends-in-line-feed": mail.in_order,
    "healthy-password-is-a-placeholder": mail.in_order,
    "clock-tz-hides-valid-certificate": names.explained(10, -3600.0),
    "starttls-refused-too-many-connections": mail.starttls(b"421 4.7.0 Too many connections\r\n"),
    "starttls-refused-unrecognized": mail.starttls(b"500 5.5.1 unrecognized command\r\n"),
    **{
        name: words.says(name)
        for name in (
            "auth-refused-for-a-second-factor",
            "auth-refused-in-gmails-words",
            "qq-generic-refusal-login-password",
            "recipient-refused-for-the-sender",
            "recipient-refused-senders-domain-listed",
        )
    },
}
