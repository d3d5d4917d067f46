"""When schedules run: the instants of a definition, and which of them are run how late."""
