"""Words: what everything else is said in. Imports nothing of ours but words."""
