"""The shell around core: turns inputs into recorded events, and recorded plans into requests."""
