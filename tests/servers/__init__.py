"""Servers on loopback for tests: a real Dovecot, a scripted IMAP server, a recording SMTP listener."""
