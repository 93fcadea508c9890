#!/usr/bin/env python3
"""Writes an RTP stream as a pcap that SIPp plays, with what went wrong on its way written beside it.

SIPp's play_pcap_audio keeps the file's timing, so loss, late packets, reordering and duplicates
come out of a real call in the same way every time.

    rtp.py OUT.pcap [--seconds 4] [--loss PERCENT] [--burst N] [--late PERCENT:MS]
                    [--duplicate PERCENT] [--reorder PERCENT] [--from SECONDS] [--silent] [--seed 1]
                    [--ssrc N]
"""
import argparse
import json
import math
import random
import struct

PTIME_MS = 20
RATE = 8000
PAYLOAD_TYPE = 8  # PCMA, RFC 3551


def alaw(sample: int) -> int:
    """One 16-bit sample as G.711 A-law."""
    sign = 0x80 if sample >= 0 else 0
    magnitude = min(abs(sample) >> 3, 0x0FFF)
    if magnitude < 32:
        code = magnitude >> 1
    else:
        segment = magnitude.bit_length() - 5
        code = (segment << 4) | ((magnitude >> segment) & 0x0F)
    return (sign | code) ^ 0x55


def voice(packet: int, is_silent: bool) -> bytes:
    """Something like speech: two tones under a slow envelope."""
    samples = RATE * PTIME_MS // 1000
    out = bytearray()
    for index in range(samples):
        at = (packet * samples + index) / RATE
        level = 0 if is_silent else 9000 * (0.55 + 0.45 * math.sin(2 * math.pi * 3 * at))
        wave = math.sin(2 * math.pi * 320 * at) + 0.5 * math.sin(2 * math.pi * 770 * at)
        out.append(alaw(int(level * wave)))
    return bytes(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--loss", type=float, default=0, help="percent of packets")
    parser.add_argument("--burst", type=int, default=1, help="packets lost in a row")
    parser.add_argument("--late", default="0:0", help="percent of packets, and by how many ms")
    parser.add_argument("--duplicate", type=float, default=0, help="percent of packets")
    parser.add_argument("--reorder", type=float, default=0, help="percent of packets")
    parser.add_argument("--from", type=float, default=0, dest="begins", help="seconds without trouble")
    parser.add_argument("--silent", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ssrc", type=lambda text: int(text, 0), default=0x52494E47)
    options = parser.parse_args()
    noise = random.Random(options.seed)
    late_percent, late_ms = (float(part) for part in options.late.split(":"))
    chance = lambda percent: noise.random() * 100 < percent

    offered = int(options.seconds * 1000 / PTIME_MS)
    sent, lost, duplicates, reordered = [], [], 0, 0
    left_in_burst = 0
    for number in range(offered):
        is_edge = number < 2 or number >= offered - 2 or number * PTIME_MS < options.begins * 1000
        if left_in_burst == 0 and not is_edge and chance(options.loss / options.burst):
            left_in_burst = options.burst
        if left_in_burst and not is_edge:
            left_in_burst -= 1
            lost.append(number)
            continue
        at = number * PTIME_MS
        if not is_edge and chance(late_percent):
            at += late_ms
        if not is_edge and chance(options.reorder):
            at += PTIME_MS + PTIME_MS / 2
        sent.append((at, number))
        if not is_edge and chance(options.duplicate):
            sent.append((at + 1, number))
            duplicates += 1
    sent.sort()
    highest = -1
    seen = set()
    for _, number in sent:
        if number not in seen and number < highest:
            reordered += 1
        seen.add(number)
        highest = max(highest, number)

    first_sequence = noise.randrange(1 << 16)
    first_timestamp = noise.randrange(1 << 32)
    with open(options.out, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for at, number in sent:
            header = struct.pack(
                ">BBHII",
                0x80,
                PAYLOAD_TYPE | (0x80 if number == 0 else 0),
                (first_sequence + number) & 0xFFFF,
                (first_timestamp + number * RATE * PTIME_MS // 1000) & 0xFFFFFFFF,
                options.ssrc,
            )
            udp_payload = header + voice(number, options.silent)
            udp = struct.pack(">HHHH", 4000, 4000, 8 + len(udp_payload), 0) + udp_payload
            ip = struct.pack(
                ">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), number & 0xFFFF, 0, 64, 17, 0,
                bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]),
            )
            frame = bytes(12) + b"\x08\x00" + ip + udp
            micros = int(at * 1000)
            file.write(struct.pack("<IIII", 1 + micros // 1_000_000, micros % 1_000_000,
                                   len(frame), len(frame)))
            file.write(frame)
    truth = {
        "ssrc": options.ssrc,
        "packets": len(sent),
        "expected": offered,
        "lost": len(lost),
        "duplicates": duplicates,
        "reordered": reordered,
    }
    with open(options.out.removesuffix(".pcap") + ".truth.json", "w") as file:
        json.dump(truth, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
