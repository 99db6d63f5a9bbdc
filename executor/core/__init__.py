"""The pure centre: what is decided, and nothing that touches a socket, clock, file or log."""
