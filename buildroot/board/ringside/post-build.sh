#!/bin/sh
# What Buildroot puts into the root and a box does not have: its own start scripts, and mount points.
# Fails where the kernel does not have what the fragments ask for: a box would show it only in use.
set -eu

target=$1
here=$(cd "$(dirname "$0")" && pwd)

# The overlay's rcS starts everything; Buildroot's scripts would start it twice.
rm -f "$target"/etc/init.d/S??* "$target"/etc/init.d/K??*
mkdir -p "$target/boot" "$target/data" "$target/mnt"
rm -f "$target/etc/resolv.conf"
ln -s /run/resolv.conf "$target/etc/resolv.conf"

fragments=$(sed -n 's/^BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES="\(.*\)"$/\1/p' "$BR2_CONFIG")
missing=
for config in "$BUILD_DIR"/linux-[0-9]*/.config "$BUILD_DIR"/linux-custom/.config; do
  [ -f "$config" ] || continue
  for fragment in $fragments; do
    while read -r line; do
      case $line in
        CONFIG_*=n) grep -q "^${line%=n}=" "$config" && missing="$missing $line" ;;
        CONFIG_*) grep -qxF "$line" "$config" || missing="$missing $line" ;;
      esac
    done <"$here/$(basename "$fragment")"
  done
done
[ -z "$missing" ] || {
  echo "the kernel does not have what the fragments ask for:$missing" >&2
  exit 1
}
