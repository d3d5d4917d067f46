"""The engine: services that take tasks in, run them, and keep the store true."""
