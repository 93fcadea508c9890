#!/usr/bin/env python3
"""Plays the project's captures as if their calls were made now: a pcap on standard output.

    replay.py [--once] [CASE...]

One capture after the other, for ever and at the pace of their packets; with --once each one time
and at once, so that the last ends now. Each playing gets Call-IDs of its own.
"""
import argparse
import gzip
import random
import re
import struct
import sys
import time
from pathlib import Path

CAPTURES = Path(__file__).resolve().parents[2] / "sensor" / "tests" / "captures"

# Between the last packet of one capture and the first of the next, seconds.
PAUSE = 1.5

# SIPp's Call-IDs: a number, its process, its address.
CALL_ID = re.compile(rb"(Call-ID: \d+-)(\d+)(@)")


def frames(path: Path) -> list[tuple[float, bytes, int]]:
    """Seconds since the first frame, bytes, length on the wire."""
    data = gzip.decompress(path.read_bytes())
    magic, link_type = struct.unpack_from("<I16xI", data)
    if (magic, link_type) != (0xA1B2C3D4, 1):
        raise SystemExit(f"{path} is no Ethernet pcap with microseconds")
    found, at = [], 24
    while at < len(data):
        seconds, micros, captured, wire = struct.unpack_from("<IIII", data, at)
        found.append((seconds + micros / 1e6, data[at + 16 : at + 16 + captured], wire))
        at += 16 + captured
    first = found[0][0]
    return [(when - first, frame, wire) for when, frame, wire in found]


def emit(when: float, frame: bytes, wire: int, process: bytes) -> None:
    fresh = lambda match: match[1] + process.zfill(len(match[2]))[-len(match[2]) :] + match[3]
    frame = CALL_ID.sub(fresh, frame)
    micros = int(when * 1e6)
    sys.stdout.buffer.write(struct.pack("<IIII", micros // 1_000_000, micros % 1_000_000,
                                        len(frame), wire) + frame)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--once", action="store_true")
    parser.add_argument("cases", nargs="*", help="folders of sensor/tests/captures; none: all")
    options = parser.parse_args()
    cases = options.cases or sorted(path.parent.name for path in CAPTURES.glob("*/input.pcap.gz"))
    captures = [frames(CAPTURES / case / "input.pcap.gz") for case in cases]
    sys.stdout.buffer.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    noise = random.Random()
    total = sum(capture[-1][0] + PAUSE for capture in captures)
    starts_at = time.time() - (total if options.once else 0)
    while True:
        for capture in captures:
            process = str(noise.randrange(10_000, 100_000)).encode()
            for after, frame, wire in capture:
                ahead = starts_at + after - time.time()
                if not options.once and ahead > 0:
                    sys.stdout.buffer.flush()
                    time.sleep(ahead)
                emit(starts_at + after, frame, wire, process)
            starts_at += capture[-1][0] + PAUSE
        if options.once:
            sys.stdout.buffer.flush()
            return 0
        noise.shuffle(captures)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(0)
