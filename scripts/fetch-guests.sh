#!/usr/bin/env bash
# Usage: fetch-guests.sh [programs]
# Fetches the real guests that the boot tests and `switchback compare` use, through apt, into guests/:
# Debian 12's i386 kernels (linux-image-686, linux-image-686-pae) with the modules for disks and their file
# systems of the first, its static busybox, and programs with their libraries (guests/debian). Nothing is
# installed and no foreign architecture is added to the system: where apt does not know i386 yet, a
# private package index is used. Downloads are kept in ~/.cache/switchback.
set -euo pipefail
cd "$(dirname "$0")/.."

guests=guests
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/switchback/packages
wanted=(vmlinuz-686 vmlinuz-686-pae busybox)
# Modules of the 686 kernel, in an order in which they can be inserted.
modules=(
  scsi_common scsi_mod libata ata_piix crct10dif_common crct10dif_generic crc-t10dif crc64
  crc64_rocksoft_generic crc64-rocksoft t10-pi sd_mod cdrom sr_mod isofs crc16 mbcache jbd2
  crc32c_generic ext4 fat vfat msdos nls_ascii nls_cp437 nls_iso8859-1 nls_utf8 floppy
  virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk
  button evdev)
# With the argument `programs`: real i386 programs to measure, with the libraries that hosts lack.
packages=(gzip bzip2 libbz2-1.0 xz-utils liblzma5 mawk perl-base libcrypt1)
programs=(bin/gzip bin/bzip2 usr/bin/xz usr/bin/mawk usr/bin/perl)
# Programs of an i386 user space and what they need.
userland=(
  libc6 libgcc-s1 coreutils perl-base dash gzip bzip2 libbz2-1.0 libcrypt1 libselinux1 libpcre2-8-0 libacl1
  libattr1 libgmp10 grep sed mawk tcc)

fail() {
  echo "fetch-guests: $*" >&2
  exit 1
}
complete() {
  if [ "${want:-}" = programs ]; then
    for file in "${programs[@]}"; do [ -x "$guests/programs/$file" ] || return 1; done
    return 0
  fi
  for file in "${wanted[@]}" "${modules[@]/#/modules/}"; do
    [ -s "$guests/$file" ] || [ -s "$guests/$file.ko" ] || return 1
  done
  [ -s "$guests/debian/complete" ]
}
want=${1:-}
complete && exit 0
for tool in apt-get apt-cache dpkg-deb; do
  command -v $tool >/dev/null || fail "$tool is missing; guests come from Debian packages"
done
mkdir -p "$guests" "$cache"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
apt_options=(-o "APT::Sandbox::User=$(id -un)")

knows_i386() { apt-cache "${apt_options[@]}" show linux-image-686:i386 >/dev/null 2>&1; }

# Sets apt up with an index of its own, so that neither root nor a foreign architecture is needed.
private_index() {
  local root=$cache/../apt
  mkdir -p "$root/lists/partial" "$root/cache/archives/partial" "$root/empty"
  : >"$root/status"
  apt_options+=(
    -o Dir::State::Lists="$root/lists" -o Dir::Cache="$root/cache" -o Dir::State::status="$root/status"
    -o APT::Architecture=i386 -o APT::Architectures::=i386 -o Debug::NoLocking=1
    -o Acquire::Retries=2)
  if ! grep -q '^ID=debian' /etc/os-release || ! grep -q '^VERSION_ID="12"' /etc/os-release; then
    local key=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -e $key ] || fail "the package debian-archive-keyring is needed to fetch Debian's guests"
    echo "deb [signed-by=$key] http://deb.debian.org/debian bookworm main" >"$root/sources.list"
    apt_options+=(
      -o Dir::Etc::SourceList="$root/sources.list" -o Dir::Etc::SourceParts="$root/empty")
  fi
  # Third-party sources without i386 may fail here; what counts is whether the kernel is known then.
  apt-get "${apt_options[@]}" update -qq >/dev/null 2>&1 || true
}

# The package that the meta package stands for: "Depends: linux-image-6.1.0-50-686".
kernel_package() {
  apt-cache "${apt_options[@]}" depends "$1:i386" | sed -n 's/.*Depends: \(linux-image-[^:]*\).*/\1/p' | head -1
}

# download PACKAGE: prints the path of its .deb, taken from the cache if it is there.
download() {
  local package=$1 version file
  version=$(apt-cache "${apt_options[@]}" show "$package:i386" | sed -n 's/^Version: //p' | head -1)
  file=$(basename "$(apt-cache "${apt_options[@]}" show "$package:i386" | sed -n 's/^Filename: //p' | head -1)")
  [ -n "$version" ] && [ -n "$file" ] || fail "apt does not know $package:i386"
  if ! { [ -s "$cache/$file" ] && dpkg-deb --info "$cache/$file" >/dev/null 2>&1; }; then
    (cd "$work" && apt-get "${apt_options[@]}" download -qq "$package:i386" >/dev/null) || return 1
    mv "$work"/"${package}"_*.deb "$cache/$file"
  fi
  echo "$cache/$file"
}

# install_modules DIRECTORY: puts the modules and their order into guests/modules.
install_modules() {
  local module file
  mkdir -p "$guests/modules"
  for module in "${modules[@]}"; do
    file=$(find "$1" -name "$module.ko" | head -1)
    [ -n "$file" ] || return 1
    install -m 644 "$file" "$guests/modules/$module.ko"
  done
  printf '%s\n' "${modules[@]}" >"$guests/modules/order"
}

fetch_all() {
  if [ "$want" = programs ]; then
    for package in "${packages[@]}"; do
      deb=$(download "$package") || return 1
      dpkg-deb -x "$deb" "$guests/programs" || return 1
    done
    return 0
  fi
  local flavour package deb
  for flavour in 686 686-pae; do
    package=$(kernel_package "linux-image-$flavour")
    [ -n "$package" ] || return 1
    deb=$(download "$package") || return 1
    mkdir -p "$work/$flavour"
    dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$work/$flavour" ./boot ./lib/modules
    install -m 644 "$work/$flavour"/boot/vmlinuz-* "$guests/vmlinuz-$flavour"
    [ $flavour != 686 ] || install_modules "$work/$flavour/lib/modules" || return 1
    rm -rf "${work:?}/$flavour"
  done
  deb=$(download busybox-static) || return 1
  dpkg-deb -x "$deb" "$work/busybox"
  install -m 755 "$work/busybox/bin/busybox" "$guests/busybox"
  rm -rf "$guests/debian"
  for package in "${userland[@]}"; do
    deb=$(download "$package") || return 1
    dpkg-deb -x "$deb" "$guests/debian"
  done
  rm -rf "$guests"/debian/{etc,usr/share,usr/lib/i386-linux-gnu/{gconv,audit}}
  echo "${userland[*]}" >"$guests/debian/complete"
}

knows_i386 || private_index
knows_i386 || fail "apt has no i386 kernel: is the network or the Debian mirror out of reach?"
fetch_all || {
  echo "fetch-guests: trying once more" >&2
  private_index
  fetch_all || fail "the guests could not be fetched"
}
complete || fail "the packages did not contain what was expected"
[ "$want" = programs ] ||
  echo "fetch-guests: guests/ holds ${wanted[*]}, ${#modules[@]} modules and ${#userland[@]} packages of programs"
