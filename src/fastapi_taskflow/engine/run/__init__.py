"""Which task runs when and where: slots, claims, attempts."""
