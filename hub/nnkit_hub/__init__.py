"""The course on a JupyterHub: permissions, servers, the exchange, and a demo hub.

This module imports nothing: a learner's server, the hub and its services each import only what they need.
"""
