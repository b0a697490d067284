"""What all tests share."""

from hypothesis import HealthCheck, settings

# The same examples every time. To look for new ones: pytest --hypothesis-profile=explore
settings.register_profile(
    "riacho", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", parent=settings.get_profile("riacho"), derandomize=False)
settings.load_profile("riacho")
