"""The command line of a flag system: URL read|set|zero KEY [EXPOSURE] [EPOCH]; an error of the API ends it with 22."""

import sys
import urllib.error
import urllib.request

NOBODY = '{"layers": [], "attribute": "group", "always_on": [], "always_off": []}'


def main() -> None:
    """Ask the API once; what it says is printed."""
    url, verb, key, *rest = sys.argv[1:]
    body = None
    if verb != "read":
        exposure, epoch = (NOBODY, *rest) if verb == "zero" else rest
        body = f'{{"exposure": {exposure}, "epoch": {epoch}}}'.encode()
    request = urllib.request.Request(f"{url}/flags/{key}", data=body, method="PUT" if body else "GET")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            print(answer.read().decode())
    except urllib.error.HTTPError as error:
        print(f"the flag API answers {error.code}", file=sys.stderr)
        raise SystemExit(22) from None


if __name__ == "__main__":
    main()
