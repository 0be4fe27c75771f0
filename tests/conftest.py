"""Settings of the whole suite."""

import os

from hypothesis import HealthCheck, settings

# Test processes use the cores; threads on top of them only get in each other's way. Read when torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Shared machines are slow now and then: a law's time is not what it states.
settings.register_profile("plait", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("plait")
