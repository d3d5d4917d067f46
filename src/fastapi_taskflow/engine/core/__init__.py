"""What the services share: state, values, and ways to write and to wait. No services."""
