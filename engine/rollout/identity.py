"""Who this process is to a claim, for how long it takes one, and the one clock."""

import os
import socket
from datetime import UTC, datetime, timedelta
from uuid import uuid4

LEASE = timedelta(seconds=30)
# A process, not a flow run, holds a claim: two processes can execute one run id.
INSTANCE_ID = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"


def utc_now() -> datetime:
    """The one clock."""
    return datetime.now(UTC)
