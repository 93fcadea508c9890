#!/usr/bin/env bash
# Two hosts of the lab's own, joined by a veth pair: a phone and a PBX.
#
#   lab.sh up NAME          phone in namespace NAME-phone, PBX in namespace NAME-pbx
#   lab.sh up NAME --host   the PBX's end stays in this namespace (for ci/demo)
#   lab.sh down NAME
#
# Addresses: phone 192.0.2.1 and 2001:db8::1, PBX 192.0.2.2 and 2001:db8::2 (RFC 5737, RFC 3849).
set -euo pipefail

run_in() { # NAMESPACE COMMAND... ; an empty namespace is this one
  local namespace=$1
  shift
  if [ -n "$namespace" ]; then ip netns exec "$namespace" "$@"; else "$@"; fi
}

address() { # NAMESPACE INTERFACE HOST
  run_in "$1" ip link set "$2" address "02:00:5e:00:53:0$3"
  run_in "$1" ip addr add "192.0.2.$3/24" dev "$2"
  # Where IPv6 is switched off, the lab has none.
  run_in "$1" ip addr add "2001:db8::$3/64" dev "$2" nodad 2>/dev/null || true
  run_in "$1" ip link set "$2" up
  # Checksums and segments as on a real wire.
  run_in "$1" ethtool -K "$2" tx off rx off tso off gso off gro off >/dev/null 2>&1 || true
}

up() {
  local name=$1 pbx="$1-pbx"
  down "$name"
  ip netns add "$name-phone"
  if [ "${2:-}" = --host ]; then pbx=""; else ip netns add "$pbx"; fi
  ip link add "$name-p" type veth peer name eth0 netns "$name-phone"
  if [ -n "$pbx" ]; then ip link set "$name-p" netns "$pbx"; fi
  run_in "$name-phone" ip link set lo up
  if [ -n "$pbx" ]; then run_in "$pbx" ip link set lo up; fi
  address "$name-phone" eth0 1
  address "$pbx" "$name-p" 2
}

down() {
  ip netns del "$1-phone" 2>/dev/null || true
  ip netns del "$1-pbx" 2>/dev/null || true
  ip link del "$1-p" 2>/dev/null || true
}

"$@"
