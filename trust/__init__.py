"""The fault harness: real processes killed under load, and an oracle that reads the traces.

Programs: ``python -m trust.chaos`` (kills and counts), ``python -m trust.fleet`` (the same with
workers and zombies, on any store), ``python -m trust.restarts`` (a server that goes and comes
back), ``python -m trust.mixed`` (no deadlock for a caller), ``python -m trust.fsync`` (syncs
between a request and its answer), ``python -m trust.cancel`` and ``python -m trust.kills``
(stops and deaths of child processes). Parts that tests use: ``trust.instances`` (server
processes), ``trust.gates`` (stop at a named point), ``trust.faulty`` (a store that fails),
``trust.oracle`` (what must hold).
"""
