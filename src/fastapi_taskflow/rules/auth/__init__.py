"""Rules of signing in: roles, tries, tokens, hashes."""
