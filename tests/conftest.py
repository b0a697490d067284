"""What all tests share."""

import resource
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# The same examples every time. To look for new ones: pytest --hypothesis-profile=explore
settings.register_profile(
    "riacho", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", parent=settings.get_profile("riacho"), derandomize=False)
settings.load_profile("riacho")


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """For a test that holds a thousand connections: a login often grants 1,024 descriptors."""
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (least, most))


@pytest.fixture(scope="session")
def namespaces() -> None:
    """For a test that needs namespaces of its own: in a chroot and in many containers the system
    grants none, and nothing that could be installed changes that.
    """
    command = ["unshare", "--map-root-user", "--mount", "--net", "true"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no namespaces are granted here, as in a container")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let workers begin with the longest files, so that none of these is waited for in the end."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("long") is None)
