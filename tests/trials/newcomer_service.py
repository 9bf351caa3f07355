"""A shop behind a real HAProxy, as somebody has it who has never heard of Tidegate: `newcomer_service.py FOLDER PORT METRICS FRONT`.

Once its folder has the files of docs/first-plan.md, requests go by them.
"""

import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from urllib.parse import parse_qs, urlparse

from prometheus_client import start_http_server

USERS = 200
STAFF = 5  # one user of so many
CUSTOMERS = 4  # at the same time
PAUSE = 0.2


def old_cart(user: str) -> str:
    return f"the cart of {user}"


def new_cart(user: str) -> str:
    return f"the new cart of {user}"


def _module(folder: Path) -> ModuleType:
    """The page's code in a module of its own, with the two paths that it calls."""
    shop = ModuleType("shop")
    shop.__dict__.update(old_cart=old_cart, new_cart=new_cart, handle=lambda user, _: old_cart(user))
    code = folder / "shop.py"
    if code.exists():
        sys.path.insert(0, str(folder))
        exec(compile(code.read_text(), str(code), "exec"), shop.__dict__)
    return shop


def _server(shop: ModuleType, port: int) -> ThreadingHTTPServer:
    class Requests(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = parse_qs(urlparse(self.path).query)
            page = shop.handle(asked["user"][0], asked["group"][0]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", port), Requests)


def _customer(first: int, front: int) -> None:
    """Somebody who comes again and again, each time as another user."""
    number = first
    while True:
        number = (number + CUSTOMERS) % USERS
        group = "everyone" if number % STAFF else "staff"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{front}/?user=u{number}&group={group}", timeout=30) as page:
                page.read()
        except OSError:
            # HAProxy has not noticed yet that the shop is there.
            pass
        threading.Event().wait(PAUSE)


def main() -> None:
    """Serve, show metrics and be visited until it is ended."""
    folder, port, metrics, front = Path(sys.argv[1]), *map(int, sys.argv[2:5])
    server = _server(_module(folder), port)
    start_http_server(metrics, addr="127.0.0.1")
    for first in range(CUSTOMERS):
        threading.Thread(target=_customer, args=(first, front), daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
