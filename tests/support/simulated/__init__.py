"""Deterministic simulation: the whole worker, an exchange and a signal system in one process on a virtual clock."""
