"""The long tests: the same stack as the end-to-end tests', and the same parts as the triggers'."""

from tests.e2e.conftest import clean, pytest_runtest_makereport, stack, stack_home, via

__all__ = ["clean", "pytest_runtest_makereport", "stack", "stack_home", "via"]
