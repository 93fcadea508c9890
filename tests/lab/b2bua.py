#!/usr/bin/env python3
"""A back-to-back user agent: whatever calls it is called on from it, with a Call-ID of its own.

    b2bua.py OWN_IP PORT CALLEE_IP CALLEE_PORT [--relay]

It changes nothing of the session descriptions, so that media passes it by. With --relay it names its
own address for media, and sends each packet on as it is, from ports of its own. Ends after one call.
"""
import argparse
import re
import select
import socket
import sys

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("own")
parser.add_argument("port", type=int)
parser.add_argument("callee")
parser.add_argument("callee_port", type=int)
parser.add_argument("--relay", action="store_true")
options = parser.parse_args()

OWN = f"{options.own}:{options.port}"
# Where each side's media is to go, by the port of ours that faces it.
RELAYS = {30000: None, 30002: None}


def udp(port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind((options.own, port))
    return opened


def header(text: str, name: str) -> str:
    found = re.search(rf"^{name}: *(.*?)\r$", text, re.M)
    return found.group(1) if found else ""


def with_header(text: str, name: str, value: str) -> str:
    return re.sub(rf"^{name}:.*\r$", lambda _: f"{name}: {value}\r", text, count=1, flags=re.M)


def described(text: str, faces: int) -> str:
    """The message with media at our port that faces its receiver; notes where its sender's is."""
    if not options.relay or "m=audio" not in text:
        return text
    head, body = text.split("\r\n\r\n", 1)
    ip = re.search(r"^c=IN IP4 (\S+)", body, re.M).group(1)
    port = int(re.search(r"^m=audio (\d+)", body, re.M).group(1))
    RELAYS[30002 if faces == 30000 else 30000] = (ip, port)
    body = re.sub(r"IN IP4 \S+", f"IN IP4 {options.own}", body)
    body = re.sub(r"^m=audio \d+", f"m=audio {faces}", body, flags=re.M)
    return with_header(head + "\r\n", "Content-Length", str(len(body))) + "\r\n" + body


def main() -> None:
    signalling = udp(options.port)
    media = {port: udp(port) for port in RELAYS} if options.relay else {}
    caller, callee = None, (options.callee, options.callee_port)
    via = call_id = ""
    while True:
        ready, _, _ = select.select([signalling, *media.values()], [], [], 30)
        if not ready:
            sys.exit("b2bua: nothing came for 30 s")
        for port, opened in media.items():
            if opened in ready:
                packet, _ = opened.recvfrom(2048)
                other = 30002 if port == 30000 else 30000
                if RELAYS[other]:
                    media[other].sendto(packet, RELAYS[other])
        if signalling not in ready:
            continue
        text, source = signalling.recvfrom(65535)
        text = text.decode()
        if source == callee and text.startswith("SIP/2.0"):
            text = with_header(with_header(text, "Call-ID", call_id), "Via", via)
            text = with_header(text, "Contact", f"<sip:{OWN}>")
            signalling.sendto(described(text, 30000).encode(), caller)
            if text.startswith("SIP/2.0 200") and header(text, "CSeq").endswith("BYE"):
                return
        elif source != callee:
            caller, via, call_id = source, header(text, "Via"), header(text, "Call-ID")
            branch = "z9hG4bK-b2bua" + re.sub(r"\W", "", header(text, "CSeq"))
            text = with_header(text, "Via", f"SIP/2.0/UDP {OWN};branch={branch}")
            text = with_header(text, "Call-ID", f"leg2-{call_id}")
            text = with_header(text, "Contact", f"<sip:{OWN}>")
            signalling.sendto(described(text, 30002).encode(), callee)


main()
