#!/usr/bin/env python3
"""Prints a line for each call that the cloud has, as it comes.

    watch.py URL --ca FILE --login LOGIN --password-file FILE [--rule TEXT]
             [--until N --within SECONDS]

With --rule it makes this capture rule first, where there is none. With --until it ends with 0 when there are N
calls, and with 1 when they have not come within the time.
"""
import argparse
import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime
from http.cookiejar import CookieJar
from pathlib import Path

ENDS = {"rejected": "refused", "cancelled": "given up", "timeout": "not ended",
        "capture_end": "cut off"}


class Cloud:
    """The API, logged in."""

    def __init__(self, url: str, ca: str, login: str, password: str):
        self.url = url.rstrip("/")
        context = ssl.create_default_context(cafile=ca)
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context),
            urllib.request.HTTPCookieProcessor(CookieJar()))
        self.csrf = ""
        self.csrf = self.ask("login", {"login": login, "password": password})["csrf"]

    def ask(self, path: str, body: dict | None = None) -> dict:
        request = urllib.request.Request(f"{self.url}/api/v1/{path}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
            request.add_header("X-CSRF-Token", self.csrf)
        with self.opener.open(request, timeout=60) as answer:
            return json.load(answer)

    def calls_and_older(self, known: set[str]) -> list[dict]:
        """Calls that are not known, the oldest first."""
        fresh, cursor = [], ""
        while True:
            page = self.ask(f"calls?limit=100{cursor}")
            new = [call for call in page["calls"] if call["id"] not in known]
            fresh += new
            if page["next"] is None or len(new) < len(page["calls"]):
                return fresh[::-1]
            cursor = f"&cursor={page['next']}"


def line(call: dict) -> str:
    """One call in one line."""
    at = datetime.fromisoformat(call["first_at"].replace("Z", "+00:00")).astimezone()
    who = " ".join(filter(None, (call["caller"]["display"], call["caller"]["user"])))
    if call["answered_at"]:
        seconds = round((call["duration_ms"] or 0) / 1000)
        outcome = f"{seconds // 60}:{seconds % 60:02}"
        if call["band"] == "no_audio":
            outcome += "  no audio"
        else:
            outcome += f"  MOS {call['mos']:.1f}" if call["mos"] is not None else "  no MOS"
    else:
        outcome = f"{ENDS.get(call['ended_by'], call['ended_by'])}, {call['status_code']}"
    verdict = call["verdict"]["sentence"] if call.get("verdict") else ""
    verdict = verdict if len(verdict) <= 70 else verdict[:69] + "…"
    return f"  {at:%H:%M:%S}  {who:29} → {call['callee']['user']:14} {outcome:15} {verdict}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--ca", required=True)
    parser.add_argument("--login", required=True)
    parser.add_argument("--password-file", type=Path, required=True)
    parser.add_argument("--rule")
    parser.add_argument("--until", type=int)
    parser.add_argument("--within", type=float, default=60, help="seconds")
    options = parser.parse_args()
    cloud = Cloud(options.url, options.ca, options.login,
                  options.password_file.read_text().strip())
    if options.rule and not cloud.ask("rules")["rules"]:
        cloud.ask("rules", {"text": options.rule})
    # What a kept folder holds already is not news.
    known = {call["id"] for call in cloud.calls_and_older(set())}
    first, serial = len(known), None
    ends_at = time.monotonic() + options.within
    while True:
        for call in cloud.calls_and_older(known):
            known.add(call["id"])
            print(line(call), flush=True)
        if options.until and len(known) - first >= options.until:
            return 0
        if options.until and time.monotonic() > ends_at:
            print(f"{len(known) - first} of {options.until} calls came within "
                  f"{options.within:.0f} s", file=sys.stderr)
            return 1
        since = "" if serial is None else f"&since={serial}"
        serial = cloud.ask(f"changes?wait={5 if options.until else 25}{since}")["serial"]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except urllib.error.URLError as error:
        sys.exit(f"the cloud does not answer: {error}")
