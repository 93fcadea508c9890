#!/usr/bin/env bash
# Two hosts of the lab's own, joined by a cable: a phone and a PBX.
#
#   lab.sh up NAME          phone in namespace NAME-phone, PBX in namespace NAME-pbx
#   lab.sh up NAME --tap    the cable goes through a hub, and the interface NAME-t of this
#                           namespace sees every frame, as at a mirror port (for ci/demo)
#   lab.sh down NAME
#   lab.sh possible         exit code 0 where namespaces may be made
#
# Addresses: phone 192.0.2.1 and 2001:db8::1, PBX 192.0.2.2 and 2001:db8::2 (RFC 5737, RFC 3849).
# They are in the namespaces only: labs do not meet each other, nor this machine's own network.
set -euo pipefail

run_in() { # NAMESPACE COMMAND...
  ip netns exec "$@"
}

address() { # NAMESPACE INTERFACE HOST
  run_in "$1" ip link set "$2" address "$(mac "$3")"
  run_in "$1" ip addr add "192.0.2.$3/24" dev "$2"
  # Where IPv6 is switched off, the lab has none.
  run_in "$1" ip addr add "2001:db8::$3/64" dev "$2" nodad 2>/dev/null || true
  as_on_a_wire "$1" "$2"
  run_in "$1" ip link set "$2" up
  run_in "$1" ip link set lo up
}

mac() { echo "02:00:5e:00:53:0$1"; }

# Checksums and segments as on a real wire.
as_on_a_wire() { # NAMESPACE INTERFACE
  run_in "$1" ethtool -K "$2" tx off rx off tso off gso off gro off >/dev/null 2>&1 || true
}

# The hub is a bridge that forgets at once where an address is, so it sends frames to all ports.
hub() { # NAME
  local hub="$1-hub" port
  ip netns add "$hub"
  run_in "$hub" ip link add hub type bridge ageing_time 0 mcast_snooping 0
  ip link add phone netns "$hub" type veth peer name eth0 netns "$1-phone"
  ip link add pbx netns "$hub" type veth peer name "$1-p" netns "$1-pbx"
  ip link add tap netns "$hub" type veth peer name "$1-t"
  for port in phone pbx tap; do
    run_in "$hub" ip link set "$port" master hub up
    as_on_a_wire "$hub" "$port"
  done
  run_in "$hub" ip link set hub up
  # This machine listens at the tap and says nothing there.
  ip link set "$1-t" addrgenmode none 2>/dev/null || true
  ip link set "$1-t" arp off up
}

up() { # NAME [--tap]
  local name=$1
  down "$name"
  ip netns add "$name-phone"
  ip netns add "$name-pbx"
  if [ "${2:-}" = --tap ]; then
    hub "$name"
  else
    ip link add "$name-p" netns "$name-pbx" type veth peer name eth0 netns "$name-phone"
  fi
  address "$name-phone" eth0 1
  address "$name-pbx" "$name-p" 2
}

down() { # NAME
  local host
  for host in phone pbx hub; do ip netns del "$1-$host" 2>/dev/null || true; done
  # A namespace's interfaces go some time after it; the tap can be taken away at once.
  ip link del "$1-t" 2>/dev/null || true
}

possible() {
  local name="rs-try-$$"
  ip netns add "$name" 2>/dev/null && ip netns del "$name"
}

"$@"
