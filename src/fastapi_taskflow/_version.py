"""The version, in the one place that the build and ``__version__`` read."""

__version__ = "0.1.0"
