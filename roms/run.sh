#!/bin/sh
# Usage: run.sh qemu|bochs FILE.rom [SECONDS]
# Runs a system test ROM on another simulator and prints what it says. (QEMU: no local APIC, whose disabled LINT0
# would keep the 8259's interrupts from a guest without firmware.)
set -eu
rom=$2
limit=${3:-20}
case $1 in
qemu)
  timeout "$limit" qemu-system-i386 -cpu "${CPU:-pentium3,-apic}" -m 64 -bios "$rom" -display none -monitor none \
    -serial null -debugcon stdio -device isa-debug-exit,iobase=0xf4,iosize=0x04 </dev/null || status=$?
  ;;
bochs)
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  cat >"$work/bochsrc" <<END
megs: 64
romimage: file=$(realpath "$rom"), address=0xffff0000
display_library: term
cpu: model=${CPU:-p3_katmai}, ips=${IPS:-50000000}, reset_on_triple_fault=0
clock: sync=none
log: $work/log
panic: action=fatal
error: action=report
com1: enabled=1, mode=file, dev=$work/serial
speaker: enabled=0
END
  echo c >"$work/commands"
  (cd "$work" && TERM=xterm timeout "$limit" \
    script -qefc "bochs -q -f bochsrc -rc commands" /dev/null >/dev/null 2>&1 </dev/null) || status=$?
  cat "$work/serial"
  [ -z "${LOG:-}" ] || cp "$work/log" "$LOG"
  ;;
esac
echo "status ${status:-0}"
