#!/bin/sh
# Usage: build.sh CLANG LLD NAME.S OUTPUT.{bin,swift}
# Assembles NAME.S and the *.S and *.c files of the folder NAME/ beside it, links them to a flat 64 KiB ROM image and
# (or, where the folder has a link.ld, by that to an ELF program), and
# writes it as it is, or as a Swift source that declares it as the base64 literal `NAMEImage`.
set -eu
clang=$1 lld=$2 source=$3 output=$4
roms=$(dirname "$0")
name=$(basename "$source" .S)
folder=${source%.S}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

flags="-target i386-unknown-none-elf -march=i686 -mno-sse -mno-mmx -O2 -g0 -ffreestanding -fno-pic
  -fno-stack-protector -fno-asynchronous-unwind-tables -fomit-frame-pointer -mstack-alignment=4
  -nostdlibinc -Wall -Wextra -Werror -I $roms/include"
objects=
for part in "$source" "$folder"/*.S "$folder"/*.c; do
  [ -f "$part" ] || continue
  object=$work/$(basename "$part").o
  # shellcheck disable=SC2086
  "$clang" $flags -c "$part" -o "$object"
  objects="$objects $object"
done
# shellcheck disable=SC2086
if [ -f "$folder/link.ld" ]; then
  "$lld" -m elf_i386 -T "$folder/link.ld" --strip-all $objects -o "$work/image"
else
  "$lld" -m elf_i386 -T "$roms/include/rom.ld" --oformat binary $objects -o "$work/image"
fi

case $output in
*.swift)
  {
    printf '/// The image of `%s.S`, in base64.\nlet %sImage: StaticString =\n  "' "$name" "$name"
    base64 -w0 "$work/image"
    printf '"\n'
  } >"$output"
  ;;
*) cp "$work/image" "$output" ;;
esac
