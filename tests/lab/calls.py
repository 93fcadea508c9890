#!/usr/bin/env python3
"""Real calls between the lab's two hosts, by SIPp, with RTP.

    calls.py LAB CASE...       makes the cases' calls one after the other and waits for their ends
    calls.py LAB --at-once N [CASE...]
                               makes N calls that overlap, of all kinds
    calls.py LAB --at-once N --every SECONDS
                               and then goes on with a call of any kind about so often, some of
                               them long, until it is told to stop (for ci/demo)
                               With --registrations phones register meanwhile: one again and
                               again, one once, and one with a wrong password.
    calls.py --list [--all]

LAB is a name that `lab.sh up` was given. Exit code 0: every call went as its scenario says.
"""
import argparse
import math
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import scenarios as s

HERE = Path(__file__).resolve().parent

# A call's media: what rtp.py is told for the caller's and the callee's stream.
CLEAN = (["--seed", "11"], ["--seed", "12"])

CASES = {
    "clean": dict(calls=s.answered(700, 4300, "A", "B"), media=CLEAN,
                  shows="a call without any trouble; the caller hangs up"),
    "loss": dict(calls=s.answered(300, 6300, "A", "B"), seconds=6,
                 media=(["--loss", "6", "--seed", "21"], ["--seed", "22"]),
                 shows="the caller's packets are lost at random"),
    "burst": dict(calls=s.answered(300, 6300, "A", "B"), seconds=6,
                  media=(["--seed", "31"], ["--loss", "9", "--burst", "9", "--seed", "32"]),
                  shows="the callee's packets are lost in bursts of nine"),
    "late": dict(calls=s.answered(300, 6300, "A", "B"), seconds=6,
                 media=(["--late", "7:90", "--seed", "41"], ["--seed", "42"]),
                 shows="some of the caller's packets come 90 ms late"),
    "disorder": dict(calls=s.answered(300, 4300, "A", "B"),
                     media=(["--reorder", "5", "--duplicate", "3", "--seed", "51"],
                            ["--duplicate", "2", "--seed", "52"]),
                     shows="packets overtake each other, and some come twice"),
    "one-way": dict(calls=s.answered(300, 4300, "A", ""), media=CLEAN,
                    shows="the callee sends nothing"),
    "no-media": dict(calls=s.answered(300, 3500, "", ""), media=CLEAN,
                     shows="answered, and nobody sends RTP"),
    "silent": dict(calls=s.answered(300, 4300, "A", "B"),
                   media=(["--silent", "--seed", "61"], ["--silent", "--seed", "62"]),
                   shows="RTP flows and nobody speaks"),
    "callee-hangs-up": dict(calls=s.answered(300, 3000, "A", "B", hang_up="callee"), media=CLEAN,
                            shows="the callee sends BYE"),
    "auth": dict(calls=s.answered(300, 2500, "A", "B", auth=True), media=CLEAN,
                 shows="a challenge, and the INVITE again with credentials: one call"),
    "hold": dict(calls=s.answered(300, 1500, "A", "B", hold=900), media=CLEAN,
                 shows="put on hold and taken back by re-INVITE"),
    "info-digits": dict(calls=s.answered(300, 2500, "A", "B", digits="42#"), media=CLEAN,
                        shows="digits 42# by SIP INFO"),
    "wrong-sdp": dict(calls=s.answered(300, 4300, "A", "B", nat_ip="10.1.2.3"), media=CLEAN,
                      shows="the caller's SDP names an address behind a NAT"),
    "busy": dict(calls=s.refused(486, "Busy Here"), shows="486 at once"),
    "declined": dict(calls=s.refused(603, "Decline", ring=900), shows="603 after ringing"),
    "not-found": dict(calls=s.refused(404, "Not Found"), shows="404 at once"),
    "unavailable": dict(calls=s.refused(503, "Service Unavailable"), shows="503 at once"),
    "cancel": dict(calls=s.cancelled(1200), shows="the caller gives up while it rings"),
    "tcp": dict(calls=s.answered(300, 2500, "A", "B"), media=CLEAN, transport="t1",
                shows="SIP over TCP"),
    "b2bua": dict(calls=s.answered(300, 2500, "A", "B"), media=CLEAN, b2bua=[],
                  shows="a B2BUA calls on with another Call-ID and leaves media alone: two legs"),
    "b2bua-relay": dict(calls=s.answered(300, 2500, "A", "B"), media=CLEAN, b2bua=["--relay"],
                        shows="a B2BUA calls on with another Call-ID and relays media: two legs"),
    "ipv6": dict(calls=s.answered(300, 2500, "A", "B"), media=CLEAN, ipv6=True,
                 shows="IPv6 for SIP and RTP"),
}

# What phones say outside calls.
NO_CALLS = {
    "outside-calls": dict(calls=s.outside_calls(),
                          shows="OPTIONS, MESSAGE, SUBSCRIBE, NOTIFY and PUBLISH outside calls; one "
                                "OPTIONS gets no answer"),
}

# Long enough to have a course; too long to be kept as captures.
LONG = {
    "long": dict(calls=s.answered(1500, 62000, "A", "B"), seconds=61,
                 media=(["--loss", "0.4", "--seed", "71"], ["--seed", "72"]),
                 shows="a minute without trouble worth a word"),
    "worsens": dict(calls=s.answered(900, 47000, "A", "B"), seconds=46,
                    media=(["--loss", "7", "--burst", "3", "--from", "22", "--seed", "81"],
                           ["--late", "4:70", "--from", "30", "--seed", "82"]),
                    shows="good for half of the time, then worse and worse"),
    "long-hold": dict(calls=s.answered(2200, 9000, "A", "B", hold=9000, digits="7"), seconds=28,
                      media=(["--seed", "91"], ["--duplicate", "1", "--seed", "92"]),
                      shows="half a minute with digits and hold"),
}

# What a phone does at the registrar, who, and after how many seconds it does so again.
REGISTRATIONS = {
    "stays": (dict(calls=s.registered(60)), 1, 45),
    "leaves": (dict(calls=s.registered(60)), 0, None),
    "wrong-password": (dict(calls=s.register_refused(403, "Forbidden")), 5, 30),
}

# SIPps that run; they end with this program, however it is ended.
STARTED: set[subprocess.Popen] = set()

# Ports are given out anew after so many calls; the oldest has ended by then.
SLOTS = 48

PEOPLE = [("Anna Berg", "+49301234501"), ("Reception", "200"), ("Carlos Ortega", "+34915550102"),
          ("Support Desk 2", "312"), ("Mei Tanaka", "+81355500103"), ("Workshop", "240")]
CALLEES = ["+493055501", "100", "+442079460104", "115", "+12025550105", "118"]


class Lab:
    """Where the two SIPps run, and files of theirs."""

    def __init__(self, name: str, folder: Path):
        self.name = name
        self.folder = folder

    def command(self, host: str, *arguments: str) -> list[str]:
        return ["ip", "netns", "exec", f"{self.name}-{host}", *arguments]

    def media(self, letter: str, case: dict) -> str:
        """The stream of one side as a pcap file; empty where it sends none."""
        options = case["media"]["AB".index(letter)]
        out = self.folder / f"{letter}.pcap"
        # Both sides have an SSRC of their own.
        subprocess.run([sys.executable, str(HERE / "rtp.py"), str(out), "--seconds",
                        str(case.get("seconds", 4)), "--ssrc", hex(0xA0000000 + ord(letter)),
                        *options], check=True)
        return str(out)

    def start(self, name: str, case: dict, number: int,
              slot: int | None = None) -> list[subprocess.Popen]:
        """Starts both sides of one case, the callee first. Phones that register have ports of their
        own, in slots behind those of calls."""
        folder = self.folder
        display, caller = PEOPLE[number % len(PEOPLE)]
        callee = CALLEES[(number * 5 + number // 3) % len(CALLEES)]
        number = number % SLOTS if slot is None else SLOTS + slot
        port = 5060 + 10 * number
        host = ("2001:db8::1", "2001:db8::2") if case.get("ipv6") else ("192.0.2.1", "192.0.2.2")
        processes = []
        for side, text in (("pbx", case["calls"][1]), ("phone", case["calls"][0])):
            for letter in "AB":
                if f'"{letter}"' in text:
                    text = text.replace(f'play_pcap_audio="{letter}"',
                                        f'play_pcap_audio="{self.media(letter, case)}"')
            for key, value in (("@NAME@", display), ("@CALLER@", caller), ("@CALLEE@", callee)):
                text = text.replace(key, value)
            # A user part before an address: "@192.0.2.2", not a keyword.
            path = folder / f"{name}.{side}.xml"
            path.write_text(text)
            own = host[1 if side == "pbx" else 0]
            where, listens = side, port
            if side == "pbx" and "b2bua" in case:
                # The callee is a phone, too; the PBX stands between the two.
                own, where, listens = host[0], "phone", port + 2
            arguments = ["sipp", "-sf", str(path), "-i", own, "-mi", own, "-m", "1", "-nostdin",
                         "-timeout", "100", "-timeout_error", "-trace_err", "-error_file",
                         str(folder / f"{name}.{side}.err"), "-t", case.get("transport", "u1"),
                         "-mp", str((26000 if side == "pbx" else 16000) + 20 * number),
                         "-p", str(listens)]
            if side == "phone":
                arguments.append(f"[{host[1]}]:{port}" if case.get("ipv6") else f"{host[1]}:{port}")
            process = subprocess.Popen(self.command(where, *arguments), cwd=folder,
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            STARTED.add(process)
            processes.append(process)
            if side == "pbx":
                wait_for_port(self, where, listens, case.get("transport", "u1"))
            if side == "pbx" and "b2bua" in case:
                between = [sys.executable, str(HERE / "b2bua.py"), host[1], str(port), own,
                           str(listens), *case["b2bua"]]
                STARTED.add(subprocess.Popen(self.command("pbx", *between)))
                wait_for_port(self, "pbx", port, "u1")
        return processes

    def finish(self, name: str, processes: list[subprocess.Popen]) -> bool:
        """Waits for both sides; says whether the call went as its scenario says."""
        good = True
        for side, process in zip(("pbx", "phone"), processes):
            code = process.wait(timeout=120)
            STARTED.discard(process)
            if code != 0:
                errors = self.folder / f"{name}.{side}.err"
                print(f"{name}: SIPp of the {side} failed", file=sys.stderr)
                if errors.exists():
                    print(errors.read_text()[:2000], file=sys.stderr)
                good = False
        return good


def wait_for_port(lab: Lab, host: str, port: int, transport: str) -> None:
    """Until a socket is there."""
    kind = "-tln" if transport.startswith("t") else "-uln"
    for _ in range(200):
        shown = subprocess.run(lab.command(host, "ss", kind, f"sport = :{port}"),
                               capture_output=True, text=True, check=True).stdout
        if f":{port}" in shown:
            return
        subprocess.run(["sleep", "0.05"], check=True)
    raise SystemExit(f"SIPp does not listen on port {port}")


def start_many(lab: str, names: list[str], count: int, root: Path, first: int = 0) -> list["Call"]:
    """Starts so many calls, the first with this number, without waiting for their ends."""
    return [Call(lab, root, names[index % len(names)], first + index) for index in range(count)]


class Phones:
    """Phones that register."""

    def __init__(self, lab: str, root: Path):
        self.lab, self.root = lab, root
        self.running: list[Call] = []
        self.due = {name: time.monotonic() for name in REGISTRATIONS}

    def register(self) -> None:
        """Starts what is due."""
        for call in [call for call in self.running if call.has_ended()]:
            self.running.remove(call)
            call.finish()
        for slot, (name, (case, who, again)) in enumerate(REGISTRATIONS.items()):
            if self.due.get(name, math.inf) > time.monotonic():
                continue
            self.running.append(Call(self.lab, self.root, name, who, case, slot))
            self.due[name] = time.monotonic() + again if again else math.inf

    def finish(self) -> bool:
        return all([call.finish() for call in self.running])


def go_on(lab: str, running: list["Call"], every: float, root: Path, phones: Phones | None) -> None:
    """The long calls, then a call of any kind about every so many seconds, for ever."""
    noise = random.Random()
    running += start_many(lab, list(LONG), len(LONG), root, len(running))
    number = len(running)
    while True:
        next_at = time.monotonic() + every * noise.uniform(0.5, 1.5)
        while time.monotonic() < next_at:
            for call in [call for call in running if call.has_ended()]:
                running.remove(call)
                call.finish()
            if phones:
                phones.register()
            time.sleep(0.2)
        running.append(Call(lab, root, noise.choice([*CASES, *NO_CALLS, *LONG, *LONG]), number))
        number += 1


class Call:
    """A case that has been started, with a folder of its own."""

    def __init__(self, lab: str, root: Path, name: str, number: int, case: dict | None = None,
                 slot: int | None = None):
        self.name = name
        self.lab = Lab(lab, Path(tempfile.mkdtemp(prefix=f"{name}-", dir=root)))
        case = case or (CASES | NO_CALLS | LONG)[name]
        self.processes = self.lab.start(name, case, number, slot)

    def has_ended(self) -> bool:
        return all(process.poll() is not None for process in self.processes)

    def finish(self) -> bool:
        return self.lab.finish(self.name, self.processes)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lab", nargs="?")
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--at-once", type=int, default=0)
    parser.add_argument("--every", type=float, help="seconds from one call to the next, on average")
    parser.add_argument("--registrations", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--all", action="store_true", help="list what is no call, too")
    parser.add_argument("--truth", help="folder for the truth of the media that was played")
    options = parser.parse_args()
    if options.list:
        for name, case in (CASES | NO_CALLS if options.all else CASES).items():
            print(f"{name}\t{case['shows']}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="ringside-lab-") as root:
        try:
            return make_calls(options, Path(root))
        except KeyboardInterrupt:
            return 130
        finally:
            for process in STARTED:
                process.kill()
                process.wait()


def make_calls(options: argparse.Namespace, root: Path) -> int:
    cases = options.cases or list(CASES)
    if options.at_once or options.every:
        phones = Phones(options.lab, root) if options.registrations else None
        if phones:
            phones.register()
        running = start_many(options.lab, cases, options.at_once, root)
        if options.every:
            go_on(options.lab, running, options.every, root, phones)
        good = all([call.finish() for call in running])
        return 0 if good and (phones is None or phones.finish()) else 1
    good = True
    for name in cases:
        call = Call(options.lab, root, name, 0)
        good &= call.finish()
        # The truth is of one call's two streams.
        if options.truth and "b2bua" not in (CASES | NO_CALLS)[name]:
            for truth in call.lab.folder.glob("*.truth.json"):
                shutil.move(truth, Path(options.truth) / truth.name)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
