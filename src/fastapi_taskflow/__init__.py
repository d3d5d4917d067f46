"""Background tasks for FastAPI with retries, durable state, and live visibility."""
