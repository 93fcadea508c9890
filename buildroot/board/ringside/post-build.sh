#!/bin/sh
# What Buildroot puts into the root and a box does not have: its own start scripts, and mount points.
set -eu

target=$1

# The overlay's rcS starts everything; Buildroot's scripts would start it twice.
rm -f "$target"/etc/init.d/S??* "$target"/etc/init.d/K??*
mkdir -p "$target/boot" "$target/data" "$target/mnt"
rm -f "$target/etc/resolv.conf"
ln -s /run/resolv.conf "$target/etc/resolv.conf"
