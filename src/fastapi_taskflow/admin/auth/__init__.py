"""Doors, cookies, roles: who may do what."""
