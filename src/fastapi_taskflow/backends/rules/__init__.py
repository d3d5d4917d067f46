"""The policy of storage, once for all drivers: what a verb does, decided over loaded facts.

Nothing here reads a store or a clock. A driver loads the facts, asks, and applies the answer.
"""
