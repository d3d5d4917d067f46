"""Our side of the app of a user: background tasks, request scope, injection, lifespan."""
