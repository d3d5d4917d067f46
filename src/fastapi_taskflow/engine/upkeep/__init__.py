"""Housekeeping: retention, what had ended before the start, the garbage collector."""
