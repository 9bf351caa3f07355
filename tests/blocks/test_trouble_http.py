"""Trouble with flags behind any HTTP service: the suite that every flag backend keeps."""

from tests.blocks.trouble.own_troubles import http_trouble, trouble
from tests.blocks.trouble.trouble_suite import *  # noqa: F403 - the suite
from tests.blocks.trouble.trouble_suite import HTTP, pytest_generate_tests

PLACES = dict.fromkeys(("http-etag", "http-version", "http-plain"), HTTP)
making = http_trouble
__all__ = ["pytest_generate_tests", "trouble"]
