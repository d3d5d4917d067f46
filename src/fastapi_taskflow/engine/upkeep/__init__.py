"""Housekeeping: retention, damaged rows, the garbage collector."""
