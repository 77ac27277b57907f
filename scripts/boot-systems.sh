#!/usr/bin/env bash
# Boots real systems that take too long for the tests and says how it went: memtest86+ (a full pass over 64 MB),
# and Debian's installer up to its first dialog in text and in framebuffer mode. They are fetched from
# Debian through apt. Usage: boot-systems.sh [ENGINE]; screenshots go to guests/systems/.
set -euo pipefail
cd "$(dirname "$0")/.."

engine=${1:-translator}
switchback=.build/release/switchback
folder=guests/systems

fail() {
  echo "boot-systems: $*" >&2
  exit 1
}
[ -x $switchback ] || fail "build first: make build"
mkdir -p $folder

# fetch PACKAGE: unpacks a package into its folder, once.
fetch() {
  [ -d "$folder/$1" ] && return
  local work
  work=$(mktemp -d)
  (cd "$work" && apt-get -o "APT::Sandbox::User=$(id -un)" download -qq "$1" >/dev/null) ||
    fail "apt-get cannot download $1"
  dpkg-deb -x "$work"/*.deb "$folder/$1.new"
  mv "$folder/$1.new" "$folder/$1"
  rm -rf "$work"
}

# boot NAME EXPECTED-STATUS OPTIONS...: runs a system without output and reports.
boot() {
  local name=$1 expected=$2 start milliseconds status=0
  shift 2
  start=$(date +%s%N)
  $switchback run --engine "$engine" --serial none --screenshot "$folder/$name.png" \
    --stats "$folder/$name.json" "$@" </dev/null 2>"$folder/$name.log" || status=$?
  milliseconds=$((($(date +%s%N) - start) / 1000000))
  if [ $status = "$expected" ]; then
    printf '%-24s ok      %7d ms\n' "$name" $milliseconds
  else
    printf '%-24s FAILED  %7d ms, status %s, see %s\n' "$name" $milliseconds $status \
      "$folder/$name.log"
    failures=1
  fi
}

failures=0
fetch memtest86+
fetch debian-installer-12-netboot-i386

# A pass over 64 MB ends with "Pass: 1"; a bad bit would show another number of errors.
boot memtest 0 -m 64M --kernel $folder/memtest86+/boot/memtest86+ia32.bin --time-limit 900 \
  --until 'Pass:  1' --until 'Errors: 0'

installer=$folder/debian-installer-12-netboot-i386/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386
boot installer-text 0 -m 512M --kernel $installer/linux --initrd $installer/initrd.gz \
  --append 'nomodeset vga=normal fb=false' --time-limit 300 --until 'Select a language'
# The picture is for people: a framebuffer has no text to wait for.
boot installer-framebuffer 124 -m 512M --kernel $installer/linux --initrd $installer/initrd.gz \
  --cycle-limit 20000000000 --time-limit 300
exit $failures
