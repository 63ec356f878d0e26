#!/bin/bash
# Puts the package through inside.sh in a Debian with systemd, on this machine's kernel. Needs root, and Debian's
# mmdebstrap and systemd-container. in-a-virtual-machine.sh does the same with a kernel of its own.
#
#   cargo xtask dist && sudo packaging/try/in-a-container.sh target/dist/trunkline_*.deb
set -euo pipefail
package=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
root=${2:-$(mktemp -d)/root}
net=trunkline-try-$$

if [ ! -e "$root/usr/lib/systemd/systemd" ]; then
    mmdebstrap --quiet --variant=minbase --include=systemd,systemd-sysv,libnss-myhostname,openssh-server,dbus,procps,git,ca-certificates,python3,curl bookworm "$root"
fi
# The root may be used again; what an earlier try left is not.
rm -rf "$root/var/lib/trunkline" "$root/usr/local/bin/trunkline" "$root/etc/systemd/system/trunkline.service" "$root/root/shop" "$root/root/greedy" "$root/root/.ssh"
rm -f "$root/etc/systemd/system/trunkline.service.d/limits.conf"
cp "$package" "$root/root/trunkline.deb"
cp "$(dirname "$package")"/trunkline-*-linux.tar.gz "$root/root/trunkline.tar.gz"
cp "$here/inside.sh" "$root/root/inside.sh"
cp -r "$here/../../examples/shop" "$root/root/shop"
: > "$root/etc/machine-id"
ip netns add "$net"
ip -n "$net" link set lo up

boot() {
    systemd-nspawn -q -D "$root" --register=no --keep-unit --network-namespace-path="/run/netns/$net" -b --console=pipe < /dev/null > "$root/../console.log" 2>&1 &
    host=$!
    for _ in $(seq 100); do
        leader=$(pgrep -P "$host" | head -1 || true)
        [ -n "$leader" ] && inside systemctl is-system-running --wait > /dev/null 2>&1 && return
        sleep 0.5
    done
    echo "the machine did not start" >&2
    exit 1
}
halt() {
    kill -TERM "$host"
    wait "$host" || true
}
inside() { nsenter -t "$leader" -m -u -i -n -p "$@"; }
trap 'halt 2>/dev/null || true; ip netns del "$net"' EXIT

boot; inside /root/inside.sh first; halt
boot; inside /root/inside.sh again
