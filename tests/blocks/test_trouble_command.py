"""Trouble with flags behind a command line: the suite that every flag backend keeps."""

from tests.blocks.trouble.own_troubles import PROGRAM, command_trouble, trouble
from tests.blocks.trouble.trouble_suite import *  # noqa: F403 - the suite
from tests.blocks.trouble.trouble_suite import pytest_generate_tests

PLACES = {"command": PROGRAM}
making = command_trouble
__all__ = ["pytest_generate_tests", "trouble"]
