"""`make hub`: a JupyterHub on this machine with a demo class, everything below one folder. No root, no Docker.

    place.py    what is where below the folder; made at the first start, found again at the next
    people.py   the class, and how it logs in
    jail.py     the wall around a learner's server, where bubblewrap can build one
    servers.py  starts and stops the servers
    run.py      starts the hub, tells the log-ins, and stops everything at Ctrl-C

Everybody's server runs as the user who typed `make hub`. A hub for a real class is in hub/deploy/machine.
"""
