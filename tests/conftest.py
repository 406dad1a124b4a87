"""For all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# How fast examples are made says how busy the machine is, and nothing of the code.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
