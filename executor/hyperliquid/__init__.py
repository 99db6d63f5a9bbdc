"""What Hyperliquid speaks, as pure functions and tables, shared by the venue adapter and the paper exchange."""
