"""Trouble with a split in nginx: the suite that every flag backend keeps."""

from tests.blocks.trouble.own_troubles import RELOAD, nginx_trouble, trouble
from tests.blocks.trouble.trouble_suite import *  # noqa: F403 - the suite
from tests.blocks.trouble.trouble_suite import pytest_generate_tests

PLACES = {"nginx": RELOAD}
making = nginx_trouble
__all__ = ["pytest_generate_tests", "trouble"]
