"""Settings of the whole suite."""

from hypothesis import HealthCheck, settings

# Shared machines are slow now and then: a law's time is not what it states.
settings.register_profile("plait", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("plait")
