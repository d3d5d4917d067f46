"""Who is told of a change: observers, the store, event streams."""
