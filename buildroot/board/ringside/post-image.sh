#!/bin/sh
# Hands kernel, root and GRUB (on a Raspberry Pi its firmware's files) to ringside-image, which makes
# the flashable image and the bundle.
#
#   post-image.sh IMAGES BOARD
#
# RINGSIDE_VERSION, RINGSIDE_KEY and RINGSIDE_PUBLIC_KEY name the version and the release's keys;
# without a key there is no bundle.
set -eu

images=$1
board=$2
here=$(cd "$(dirname "$0")/../../.." && pwd)

efi=$images/efi-part/EFI/BOOT
case $board in
  *-x86_64) target=x86_64 kernel=bzImage loader=$efi/bootx64.efi ;;
  raspberrypi*)
    target=aarch64 kernel=Image loader=$images/rpi-firmware
    # Buildroot leaves the device trees beside the firmware's folder.
    cp "$images"/bcm27*.dtb "$loader/"
    ;;
  *) target=aarch64 kernel=Image loader=$efi/bootaa64.efi ;;
esac
dist=$here/target/dist/$target-unknown-linux-musl

set -- --board "$here/board-configs/$board.toml" --version "${RINGSIDE_VERSION:-0.0.0}" \
  --root "$images/rootfs.tar" --kernel "$images/$kernel" --loader "$loader" \
  --sensor "$dist/ringside-sensor" --tool "$dist/ringside-image" \
  --epoch "${SOURCE_DATE_EPOCH:-0}" --out "$images"
[ -z "${RINGSIDE_KEY:-}" ] || set -- "$@" --key "$RINGSIDE_KEY"
[ -z "${RINGSIDE_PUBLIC_KEY:-}" ] || set -- "$@" --public-key "$RINGSIDE_PUBLIC_KEY"

# This machine's build of the tool, which ci/buildroot has made; mksquashfs is Buildroot's.
PATH=$HOST_DIR/bin:$PATH exec "$here/target/debug/ringside-image" build "$@"
