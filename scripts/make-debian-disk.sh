#!/usr/bin/env bash
# Makes a bootable disk with Debian 12 for i386 and systemd: make-debian-disk.sh IMAGE [SIZE]. The packages
# come from Debian's mirror through mmdebstrap; GRUB is put into the gap before the first partition. Needs
# root (or user namespaces that mmdebstrap can use), mmdebstrap, arch-test, e2fsprogs, grub-pc-bin and grub-common, and a
# host kernel that runs 32-bit programs. User root has the password "root"; the console is the serial line.
set -euo pipefail

fail() {
  echo "make-debian-disk: $*" >&2
  exit 1
}
[ $# -ge 1 ] || fail "usage: make-debian-disk.sh IMAGE [SIZE, such as 2G]"
image=$1
size=${2:-2G}
for tool in mmdebstrap arch-test mkfs.ext4 grub-mkimage; do
  PATH=$PATH:/usr/sbin:/sbin command -v $tool >/dev/null || fail "$tool is missing"
done
export PATH=$PATH:/usr/sbin:/sbin
modules=/usr/lib/grub/i386-pc
[ -e $modules/boot.img ] || fail "the package grub-pc-bin is missing"

work=$(mktemp -d -p "${TMPDIR:-/var/tmp}")
trap 'rm -rf "$work"' EXIT

mmdebstrap --quiet --architectures=i386 --variant=minbase \
  --include=systemd-sysv,udev,dbus,login,passwd,linux-image-686,initramfs-tools,perl-base,gcc,libc6-dev,procps,kmod \
  --customize-hook='echo root:root | chroot "$1" chpasswd' \
  --customize-hook='echo switchback >"$1/etc/hostname"' \
  --customize-hook='echo "/dev/sda1 / ext4 defaults,errors=remount-ro 0 1" >"$1/etc/fstab"' \
  --customize-hook='chroot "$1" systemctl enable serial-getty@ttyS0.service' \
  --customize-hook='rm -rf "$1"/var/cache/apt/archives/*.deb' \
  bookworm "$work/root.tar" "deb http://deb.debian.org/debian bookworm main"

mkdir "$work/root"
tar -x -C "$work/root" --numeric-owner -f "$work/root.tar"
rm -f "$image"
truncate -s "$size" "$image"
bytes=$(stat -c %s "$image")
sectors=$((bytes / 512 - 2048))
mkfs.ext4 -q -F -O ^metadata_csum_seed,^orphan_file -E offset=1048576 -d "$work/root" "$image" $((sectors / 2))k

# An active Linux partition from sector 2048 on.
little() { printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }
cp $modules/boot.img "$work/start"
{
  printf '\x80\x00\x02\x00\x83\xff\xff\xff'
  printf "$(little 2048)$(little $sectors)"
  head -c 48 /dev/zero
  printf '\x55\xaa'
} | dd of="$work/start" bs=1 seek=446 conv=notrunc status=none
cat >"$work/grub.cfg" <<END
set root=(hd0,msdos1)
linux /vmlinuz root=/dev/sda1 ro console=ttyS0 ${KERNEL_OPTIONS:-}
initrd /initrd.img
boot
END
grub-mkimage -O i386-pc -o "$work/core.img" -p '(hd0,msdos1)/boot/grub' -c "$work/grub.cfg" \
  biosdisk part_msdos ext2 linux normal
[ "$(stat -c %s "$work/core.img")" -lt $((2047 * 512)) ] || fail "GRUB does not fit before the partition"
dd if="$work/start" of="$image" bs=512 count=1 conv=notrunc status=none
dd if="$work/core.img" of="$image" bs=512 seek=1 conv=notrunc status=none
echo "make-debian-disk: $image"
