"""What becomes a task: options, limits, records, the commit."""
