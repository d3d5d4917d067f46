"""The same no-op on other libraries, each in an environment of its own: see `environments`."""
