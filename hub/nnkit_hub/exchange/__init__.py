"""The exchange: a hub service through which work travels, and nbgrader's exchange classes that use it.

    archive.py   the format in which files travel
    store.py     the folder where they are kept
    receipts.py  signed proofs of what was handed in
    service.py   permissions, and the HTTP service
    calls.py     the client of that service
    client.py, learner.py, grader.py, lister.py    nbgrader's side

docs/exchange.md explains how it works and what it protects against.
"""
