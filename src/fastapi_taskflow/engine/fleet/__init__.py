"""This instance among others: heartbeat, presence, recovery of the dead."""
