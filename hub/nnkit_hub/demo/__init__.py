"""`make hub`: a JupyterHub on this machine with a demo class, in one folder, without root or Docker.

    demo_folder.py      creates the folder at the first start, and reuses it later
    demo_people.py      the class, and how it logs in
    sandbox_command.py  isolates a learner's server, if bubblewrap works here
    demo_servers.py     starts and stops the servers
    demo_hub.py         starts the hub, prints the log-ins, and stops everything at Ctrl-C

All servers run as the user who typed `make hub`. A hub for a real class is in hub/deploy/machine.
"""
