"""The fault harness: real processes killed under load, and an oracle that reads the traces.

Programs: ``python -m trust.chaos`` (kills and counts), ``python -m trust.fsync`` (syncs
between a request and its answer). Parts that tests use: ``trust.instances`` (server
processes), ``trust.gates`` (stop at a named point), ``trust.faulty`` (a store that fails),
``trust.oracle`` (what must hold).
"""
