"""Mailboxes and senders, against real servers where there are any."""
