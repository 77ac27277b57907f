#!/usr/bin/env bash
# Makes sure that a Swift 6 toolchain is there and installs the Debian/Ubuntu packages that the build
# and the tests need, if any is missing. Does nothing, quickly, when all is there.
set -euo pipefail

fail() {
  echo "setup: $*" >&2
  exit 1
}

# command or file that shows the package is there, then the package
needs=(
  "command:make make"
  "command:git git"
  "command:objdump binutils"
  "command:gcc gcc"
  "file:/usr/include/x86_64-linux-gnu/sys/cdefs.h libc6-dev"
  "library:gcc/x86_64-linux-gnu/*/32/libgcc.a gcc-multilib"
  "file:/usr/include/Zydis/Zydis.h libzydis-dev"
  "command:gdb gdb"
  "command:strace strace"
  "command:gnuplot gnuplot-nox"
  "command:python3 python3"
  "file:/usr/share/seabios/vgabios-stdvga.bin seabios"
  "file:/sbin/mkfs.ext4 e2fsprogs"
  "command:mcopy mtools"
  "command:xorriso xorriso"
  "file:/usr/lib/ISOLINUX/isolinux.bin isolinux"
  "file:/usr/lib/syslinux/modules/bios/ldlinux.c32 syslinux-common"
  "command:grub-mkimage grub-common"
  "file:/usr/lib/grub/i386-pc/boot.img grub-pc-bin"
  "file:/usr/lib/grub-rescue/grub-rescue-cdrom.iso grub-rescue-pc"
  "file:/usr/include/SDL2/SDL.h libsdl2-dev"
  "command:Xvfb xvfb"
  "command:xdotool xdotool"
  "command:xclip xclip"
)

command -v swift >/dev/null ||
  fail "no Swift toolchain found; install Swift 6 or newer from https://swift.org/install first"
version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\).*/\1/p' | head -1)
[ "${version:-0}" -ge 6 ] || fail "Swift ${version:-?} is too old; install Swift 6 or newer"
[ "$(uname -m)" = x86_64 ] || fail "the host must be x86-64, this one is $(uname -m)"

missing=()
for need in "${needs[@]}"; do
  probe=${need%% *}
  package=${need##* }
  case $probe in
    command:*) command -v "${probe#*:}" >/dev/null || missing+=("$package") ;;
    file:*) [ -e "${probe#*:}" ] || missing+=("$package") ;;
    library:*) compgen -G "/usr/lib/${probe#*:}" >/dev/null || missing+=("$package") ;;
  esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

command -v apt-get >/dev/null ||
  fail "please install these Debian packages or their equivalents: ${missing[*]}"
sudo=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null ||
    fail "not root and no sudo; please have these packages installed: ${missing[*]}"
  sudo=(sudo)
fi
echo "setup: installing ${missing[*]}"
install() {
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}
install 2>/dev/null || {
  "${sudo[@]}" apt-get update -qq || true
  install || fail "apt-get could not install: ${missing[*]}"
}
