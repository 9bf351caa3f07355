"""Remote write by hand: how tests give a real Prometheus the past they need."""

import struct
import urllib.request
from collections.abc import Iterable, Mapping

import cramjam

Points = Iterable[tuple[float, float]]  # (unix seconds, value), in order


def remote_write(url: str, series: Iterable[tuple[Mapping[str, str], Points]]) -> None:
    """Write the series (labels with __name__, points); they can be queried as soon as this returns."""
    body = b"".join(_field(1, _series(labels, points)) for labels, points in series)
    request = urllib.request.Request(
        f"{url}/api/v1/write",
        data=bytes(cramjam.snappy.compress_raw(body)),
        headers={"Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 204


def _series(labels: Mapping[str, str], points: Points) -> bytes:
    named = b"".join(_field(1, _field(1, k.encode()) + _field(2, v.encode())) for k, v in sorted(labels.items()))
    return named + b"".join(
        _field(2, b"\x09" + struct.pack("<d", v) + b"\x10" + _varint(round(t * 1000))) for t, v in points
    )


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
