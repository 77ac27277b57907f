#!/usr/bin/env bash
# Boots real systems that take too long for the tests, all through SeaBIOS, and says how it went: memtest86+ (a
# full pass over 64 MB), Debian's installer up to its first dialog in text and in framebuffer mode, and an installed
# Debian with systemd from its boot loader to a shut-down through ACPI. They are fetched from Debian through apt.
# Usage: boot-systems.sh [ENGINE...]; without the disk guests/systems/debian.img, or root to make it, Debian
# itself is left out. Pictures, screens and reports go to guests/systems/. ONLY="memtest installer debian boards" says
# which; `boards`, which is not among them by default, is the installed Debian with other memory, with and without parts of
# the board, and ended by the power button.
set -euo pipefail
cd "$(dirname "$0")/.."

engines=("$@")
[ $# -gt 0 ] || engines=(translator adaptive direct interpreter)
switchback=${SWITCHBACK:-.build/release/switchback}
folder=guests/systems
only=${ONLY:-memtest installer debian}

fail() {
  echo "boot-systems: $*" >&2
  exit 1
}
[ -x "$switchback" ] || fail "build first: make build"
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

# report NAME STATUS EXPECTED-STATUS START: prints a line about a run that has ended.
failures=0
report() {
  local milliseconds=$((($(date +%s%N) - $4) / 1000000))
  if [ "$2" = "$3" ]; then
    printf '%-34s ok      %7d ms\n' "$1" $milliseconds
  else
    printf '%-34s FAILED  %7d ms, status %s, see %s\n' "$1" $milliseconds "$2" "$folder/$1.log"
    failures=1
  fi
}

# boot NAME EXPECTED-STATUS OPTIONS...: runs a system and reports.
boot() {
  local name=$1-$engine expected=$2 start status=0
  shift 2
  start=$(date +%s%N)
  "$switchback" run --engine "$engine" "${options[@]}" --screenshot "$folder/$name.png" \
    --stats "$folder/$name.json" "$@" </dev/null >"$folder/$name.txt" 2>"$folder/$name.log" ||
    status=$?
  report "$name" $status "$expected" "$start"
}

# installer_disc NAME APPEND: a CD on which ISOLINUX starts Debian's installer.
installer_disc() {
  local files
  files=$folder/debian-installer-12-netboot-i386/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386
  rm -rf "$folder/disc"
  mkdir "$folder/disc"
  cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 $files/linux \
    $files/initrd.gz "$folder/disc"
  printf 'DEFAULT install\nLABEL install\n  KERNEL linux\n  APPEND initrd=initrd.gz %s\n' "$2" \
    >"$folder/disc/isolinux.cfg"
  xorriso -as mkisofs -quiet -o "$folder/$1.iso" -b isolinux.bin -c boot.cat -no-emul-boot \
    -boot-load-size 4 -boot-info-table "$folder/disc" 2>/dev/null
  rm -rf "$folder/disc"
}

# dialog_shown PNG: whether a picture of 1024x768 is of a grey dialog with a red bar on blue, as newt draws them.
dialog_shown() {
  python3 - "$1" <<'END'
import struct
import sys
import zlib

with open(sys.argv[1], "rb") as file:
    data = file.read()
size = struct.unpack(">II", data[16:24])
packed, place = b"", 8
while place < len(data):
    length, kind = struct.unpack(">I4s", data[place:place + 8])
    if kind == b"IDAT":
        packed += data[place + 8:place + 8 + length]
    place += 12 + length
# Every row begins with its filter, which is none.
rows = zlib.decompress(packed)
stride = 3 * size[0] + 1
counts = {}
for y in range(size[1]):
    for x in range(y * stride + 1, (y + 1) * stride, 3):
        counts[rows[x:x + 3]] = counts.get(rows[x:x + 3], 0) + 1
grey, red, blue = (counts.get(bytes.fromhex(color), 0) / (size[0] * size[1])
                   for color in ("aaaaaa", "aa0000", "0000aa"))
sys.exit(0 if size == (1024, 768) and grey > 0.6 and red > 0.004 and blue > 0.04 else 1)
END
}

memtest() {
  # A pass ends with "Pass: 1"; a bad bit would show another number of errors and a list of them.
  boot memtest 0 -m 64M --serial none --time-limit 1800 --until 'Pass:  1' \
    --until 'Errors: 0' \
    --cdrom $folder/memtest86+/usr/lib/memtest86+/memtest86+ia32.iso
}

installer() {
  installer_disc installer-text 'vga=normal fb=false nomodeset'
  boot installer-text 0 -m 512M --serial none --cdrom $folder/installer-text.iso --time-limit 900 \
    --until 'Select a language'
  # A framebuffer has no text to wait for: the picture is looked at.
  installer_disc installer-framebuffer 'vga=788 quiet'
  boot installer-framebuffer 124 -m 512M --serial none --cdrom $folder/installer-framebuffer.iso \
    --cycle-limit 30000000000 --time-limit 900
  dialog_shown "$folder/installer-framebuffer-$engine.png" || {
    echo "    there is no dialog in $folder/installer-framebuffer-$engine.png"
    failures=1
  }
}

# Typed at the shell of the guest; what is awaited then is not among what the terminal echoes.
state='systemctl is-system-running --wait; systemctl --failed --no-legend; echo st""ate known'
perl='perl -le '\''print "per", "l: ", join("", map { chr(ord($_) ^ 1) } split(//, "nj"))'\'
program='int printf(const char *, ...); int main() { int n = 0; for (int i = 2; i < 1000; i++) { int p = 1; '
program+='for (int j = 2; j * j <= i; j++) if (i % j == 0) p = 0; n += p; } printf("primes %d", n); }'

# board NAME OPTIONS...: Debian to its shell, and what systemd says there.
board() {
  local name=$1
  shift
  boot "board-$name" 0 --serial stdio --disk $folder/debian.img --snapshot --time-limit 600 \
    --until 'login: ' --type 'root\n' --until 'assword: ' --type 'root\n' --until '# ' \
    --type 'echo st""ate: $(systemctl is-system-running --wait); free -m; cat /proc/interrupts\n' \
    --until 'state: running' --until 'Local timer' "$@"
}

boards() {
  board 128M -m 128M
  board 3G -m 3G
  board no-apic -m 512M --no-apic
  board no-hpet -m 512M --no-hpet
  board no-acpi -m 512M --no-acpi
  board bare -m 512M --no-acpi --no-apic --no-hpet

  # SIGUSR1 presses the power button.
  local name=power-button-$engine start status=0 machine
  start=$(date +%s%N)
  rm -f "$folder/$name.txt"
  "$switchback" run --engine "$engine" "${options[@]}" --serial "file:$folder/$name.txt" -m 512M \
    --disk $folder/debian.img --snapshot --time-limit 600 </dev/null 2>"$folder/$name.log" &
  machine=$!
  until grep -q 'login: ' "$folder/$name.txt" 2>/dev/null || ! kill -0 $machine 2>/dev/null; do
    sleep 0.5
  done
  kill -USR1 $machine || true
  wait $machine || status=$?
  report "$name" $status 0 "$start"
}

debian() {
  boot debian 0 -m 512M --serial stdio --disk $folder/debian.img --snapshot --time-limit 1800 \
    --until 'login: ' --type 'root\n' --until 'assword: ' --type 'root\n' --until '# ' \
    --type "$state\\n" --until 'state known' \
    --type "$perl\\n" --until 'perl: ok' \
    --type "echo '$program' >p.c; gcc -O2 -o p p.c && ./p\\n" --until 'primes 168' \
    --type 'poweroff\n'
  # What systemctl said: the state, and the units that failed if there are any.
  tr -d '\r' <"$folder/debian-$engine.txt" | sed 's/\x1b\[[?0-9;]*[a-zA-Z]//g' |
    sed -n '/is-system-running/,/^state known/p' | grep -v 'root@\|^state known' | sed 's/^/    /'
}

for name in $only; do
  case $name in
    memtest) fetch memtest86+ ;;
    installer) fetch debian-installer-12-netboot-i386 ;;
    debian | boards)
      if [ ! -e $folder/debian.img ] && [ "$(id -u)" = 0 ]; then
        scripts/make-debian-disk.sh $folder/debian.img
      fi
      ;;
    *) fail "there is no system '$name'" ;;
  esac
  for engine in "${engines[@]}"; do
    options=()
    case $engine in adaptive | direct) options=(--direct) ;; esac
    if [[ $name =~ debian|boards ]] && [ ! -e $folder/debian.img ]; then
      echo "$name left out: make guests/systems/debian.img with scripts/make-debian-disk.sh as root"
      break
    fi
    $name
  done
done
exit $failures
