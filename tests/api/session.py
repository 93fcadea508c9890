#!/usr/bin/env python3
"""What a program needs to ask the API as somebody who has logged in, and what there is to ask for.

    session.py URL --ca FILE --login LOGIN --password-file FILE FOLDER

Writes into FOLDER: `cookie`, `csrf`, `token` (an API token) and `ids.toml`, which names for each
path with a parameter one thing that exists, as schemathesis reads it.
"""
import argparse
import sys
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.request import HTTPCookieProcessor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab"))
from watch import Cloud  # noqa: E402

# Where the first thing of each kind is found: path with a parameter, list, name of the list, field.
# The captures have no registrations and no peers.
THINGS = [
    ("/api/v1/calls/{id}", "calls", "calls", "id"),
    ("/api/v1/captures/{call}", "calls", "calls", "id"),
    ("/api/v1/sensors/{device}", "sensors", "sensors", "id"),
]

RULE = {"text": '"Bad calls": keep sip, rtp when mos < 3.6', "sensors": [], "is_enabled": True}


def cookie_of(cloud: Cloud) -> str:
    jars = (it.cookiejar for it in cloud.opener.handlers if isinstance(it, HTTPCookieProcessor))
    jar: CookieJar = next(jars)
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--ca", required=True)
    parser.add_argument("--login", required=True)
    parser.add_argument("--password-file", type=Path, required=True)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    cloud = Cloud(options.url, options.ca, options.login, options.password_file.read_text().strip())
    (options.folder / "cookie").write_text(cookie_of(cloud))
    (options.folder / "csrf").write_text(cloud.csrf)
    (options.folder / "token").write_text(cloud.ask("api_tokens", {"name": "conformance"})["token"])
    cloud.ask("rules", RULE)
    parts = []
    for path, asked, name, field in THINGS:
        found = cloud.ask(asked)[name]
        if not found:
            raise SystemExit(f"there are no {name} to ask for")
        parameter = path.rsplit("{", 1)[1].rstrip("}")
        parts.append(f'[[operations]]\ninclude-path = "{path}"\n'
                     f'parameters = {{ {parameter} = "{found[0][field]}" }}\n')
    (options.folder / "ids.toml").write_text("\n".join(parts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
