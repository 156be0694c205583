"""Microsoft 365 by Graph (mail.md §2.1; §8, 12 to 15).

New mail is found by message delta, per folder, with immutable ids; where the cloud has no delta (世纪互联), by the time
of arrival with an overlap. A mail that is gone between listing and fetching is passed by alone. Nothing is retried
here, but for a mail that alone does not come: the caller backs off, by Retry-After where the server wishes so. Only
Graph's own words are a no: what a proxy says, whatever its status, is a disturbance that passes.
"""
