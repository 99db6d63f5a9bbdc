"""The composition root: the one place where a concrete source, venue or ledger is named."""
