"""Trouble with flags in a file of flagd's: the suite that every flag backend keeps."""

from tests.blocks.trouble.own_troubles import FILE, file_trouble, trouble
from tests.blocks.trouble.trouble_suite import *  # noqa: F403 - the suite
from tests.blocks.trouble.trouble_suite import pytest_generate_tests

PLACES = dict.fromkeys(("flagd-json", "flagd-yaml", "flagd-json-list", "flagd-yaml-list"), FILE)
making = file_trouble
__all__ = ["pytest_generate_tests", "trouble"]
