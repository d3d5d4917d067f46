"""Each database's own ways: one module a database, beside each other."""
