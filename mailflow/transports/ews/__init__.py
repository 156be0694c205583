"""Exchange on the department's own servers, by EWS (mail.md §3). The one place where exchangelib is used.

New mail is found by SyncFolderItems, a page at a time, whose state is the cursor: it is committed with the page. The
library's own retrying is off (FailFast, one session for each connection): it takes a wrong password for throttling,
and sends twice. What an answer that was lost has done is looked up by its Message-ID. Exchange builds the MIME anew,
so no signature in it can be checked.
"""
