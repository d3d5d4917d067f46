"""How an attempt ended, and what people do to tasks that run."""
