"""Access tokens by OAuth 2.0 (mail.md §1, §2.1).

A token is asked for at every login, so that a fresh one is used after each reconnect. What lives longer than a process
(refresh tokens) is kept in files that only the daemon's user can read; several accounts of one person share a file. A
refusal is an AuthError: a person must sign in again, or an administrator renew a secret; nothing is tried in a loop.
An authority that is away, in a hurry, or answers with something else than JSON, is no refusal.
"""
