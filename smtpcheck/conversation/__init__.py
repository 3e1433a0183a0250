"""What is said over one connection? SMTP walked stage by stage, and a mailbox looked into by IMAP."""
