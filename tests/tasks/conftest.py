"""What the tests of effects share: an inbox that people read."""

from collections.abc import Iterator

import pytest

from tests.tasks.inbox import Inbox, open_inbox


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """Slack, PagerDuty and mail, with faults on demand."""
    with open_inbox() as opened:
        yield opened
