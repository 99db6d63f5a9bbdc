"""Built-in strategies, for use and for copying: they import ``executor.api`` only."""
