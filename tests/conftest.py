"""What every test shares: the hypothesis profiles. Fakes live in ``executor.testing``, not here."""

from __future__ import annotations

from hypothesis import settings

# No deadline: the machine is shared, and a slow example says nothing about correctness.
settings.register_profile("small", max_examples=50, deadline=None, print_blob=True)
settings.register_profile("full", max_examples=1000, deadline=None, print_blob=True)
settings.load_profile("small")  # scripts/test --full passes --hypothesis-profile=full, which wins
