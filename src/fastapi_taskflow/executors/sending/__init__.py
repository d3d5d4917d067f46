"""Calls and their ends as bytes, on the way to another process and back.

Pickle is for these ways alone: both ends run the app's own code, and nothing of it is stored.
"""
