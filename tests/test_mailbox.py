"""Is a folder taken for what it is? What a session says and takes is in tests/probes/test_delivery.py."""

from __future__ import annotations

import pytest

from smtpcheck.conversation.mailbox import place
from smtpcheck.wire.imap import ResponseReader, parse_list


@pytest.mark.parametrize(
    ("line", "where"),
    [
        (b'* LIST () "/" INBOX', "inbox"),
        (b'* LIST () "/" inbox', "inbox"),
        (b'* LIST () "/" INBOX/Lists', "other"),
        # what the server says of a folder counts more than its name (RFC 6154 section 2)
        (b'* LIST (\\Junk) "/" Archive', "junk"),
        (b'* LIST (\\Sent) "/" Junk', "sent"),
        (b'* LIST (\\Drafts) "/" Spam', "sent"),
        (b'* LIST () "/" Junk', "junk"),
        (b'* LIST () "/" "[Gmail]/Spam"', "junk"),
        (b'* LIST () "." "INBOX.Junk E-Mail"', "junk"),
        (b'* LIST () "/" "Mail/Quarantine"', "other"),
        (b'* LIST () "/" "Sent Messages"', "sent"),
        (b'* LIST () "/" Outbox', "sent"),
        (b"* LIST () NIL Junk", "junk"),
        (b'* LIST () NIL "a/Junk"', "other"),
        # the provider's own name for it, whole
        (b'* LIST () "/" "Bulk/Held"', "junk"),
        (b'* LIST () "/" Held', "other"),
    ],
)
def test_a_folder_is_an_inbox_junk_sent_or_another(line: bytes, where: str) -> None:
    response = ResponseReader().feed(line + b"\r\n")
    assert response is not None

    assert place(parse_list(response), ("Bulk/Held",)) == where
