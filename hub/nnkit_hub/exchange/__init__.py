"""How work travels on a hub: a service that the hub vouches for, and nbgrader's exchange classes that speak to it.

`parcel.py` is what travels, `store.py` where it is kept, `service.py` who may do what, `client.py` and `lister.py` the
side of nbgrader. docs/exchange.md tells how it works and what it protects against.
"""
