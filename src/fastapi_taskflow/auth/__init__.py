"""Who may do what: words and rules of signing in, without HTTP and without a store."""
