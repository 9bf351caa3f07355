"""Real load balancers whose split is a flag, and what their users are answered."""

import http.client
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from blocks.flags.splits.nginx_flag import NginxFlag
from blocks.flags.splits.split_file import Section, SplitFile
from tests.blocks.servers import running_nginx
from tidegate.values.exposure import ZERO

FLAG = "batch-patches-v1"


@contextmanager
def running_nginx_flag(folder: Path) -> Iterator[tuple[int, NginxFlag]]:
    """A real nginx in front of two stand-ins, and the connection to it."""
    made = NginxFlag(path=f"{folder}/split.conf", environment="rehearsal")
    first = Section({"flag": FLAG, "epoch": 0, "exposure": ZERO.to_json()}, made.body(FLAG, ZERO))
    SplitFile(made.path).replace({FLAG: first})
    text = Path(made.path).read_text()
    with running_nginx(folder, split=text, variable=made.variable(FLAG)) as (port, argv):
        yield port, made.model_copy(update={"test": (*argv, "-t"), "reload": (*argv, "-s", "reload")})


def paths(port: int, users: Iterable[str], group: str = "") -> dict[str, str]:
    """Where each user is sent, a new connection each: a reload ends those that are kept."""
    found = {}
    for user in users:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/", headers={"x-user-id": user, "x-user-group": group, "Connection": "close"})
        found[user] = connection.getresponse().read().decode()
        connection.close()
    return found
