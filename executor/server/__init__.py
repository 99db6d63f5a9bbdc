"""The worker's window: probes, metrics, the stream of events, the record over HTTP, and the inbox for commands."""
