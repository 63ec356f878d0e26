#!/bin/bash
# Puts the package through inside.sh in a virtual machine: a Debian with a kernel, control groups of version 2 and a
# reboot of its own. Needs root, and Debian's mmdebstrap and qemu-system-x86. With ACCEL=kvm it takes a minute, without a few.
#
#   cargo xtask dist && sudo packaging/try/in-a-virtual-machine.sh target/dist/trunkline_*.deb
set -euo pipefail
package=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
work=${2:-$(mktemp -d)}
root=$work/root
within=900

if [ ! -e "$root/usr/lib/systemd/systemd" ]; then
    mmdebstrap --quiet --variant=minbase trixie "$root" \
        --include=systemd,systemd-sysv,libnss-myhostname,openssh-server,dbus,procps,git,ca-certificates,python3,curl,linux-image-cloud-amd64,initramfs-tools,zstd
fi
rm -rf "$root/root/shop"
cp "$package" "$root/root/trunkline.deb"
cp "$(dirname "$package")"/trunkline-*-linux.tar.gz "$root/root/trunkline.tar.gz"
cp "$here/inside.sh" "$root/root/inside.sh"
cp -r "$here/../../examples/shop" "$root/root/shop"
# Each boot does its half and tells the console; the first one reboots, the second ends the machine.
cat > "$root/root/boot.sh" <<'BOOT'
#!/bin/bash
half=first; [ -e /root/first ] && half=again
/root/inside.sh $half || echo "── it went wrong"
if [ $half = first ] && [ -e /root/first ]; then systemctl reboot; else systemctl poweroff; fi
BOOT
chmod +x "$root/root/boot.sh"
cat > "$root/etc/systemd/system/try.service" <<'UNIT'
[Service]
ExecStart=/bin/sh -c '/root/boot.sh 2>&1 | cat > /dev/ttyS1'
[Install]
WantedBy=multi-user.target
UNIT
ln -sf ../try.service "$root/etc/systemd/system/multi-user.target.wants/try.service"
echo trunkline-try > "$root/etc/hostname"
echo "127.0.0.1 localhost trunkline-try" > "$root/etc/hosts"
: > "$root/etc/machine-id"
rm -f "$work/disk.img"
mke2fs -q -t ext4 -d "$root" "$work/disk.img" 4G

# The kernel has the first serial line, the trial the second.
timeout "$within" qemu-system-x86_64 -accel "${ACCEL:-tcg}" -smp 1 -m 2048 -action panic=exit-failure -display none -monitor none -nic none \
    -kernel "$root"/boot/vmlinuz-* -initrd "$root"/boot/initrd.img-* -append "root=/dev/vda rw console=ttyS0" \
    -drive "file=$work/disk.img,format=raw,if=virtio,cache=unsafe" \
    -serial "file:$work/kernel.log" -serial "file:$work/console.log" < /dev/null
cat "$work/console.log"
grep -q "── all is well" "$work/console.log" && ! grep -q "── it went wrong" "$work/console.log"
