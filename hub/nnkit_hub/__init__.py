"""The course on a JupyterHub: who may do what, how servers start, how work travels, and a hub to try it on.

Imports nothing: a learner's server, the hub and its services each load what they need of it.
"""
