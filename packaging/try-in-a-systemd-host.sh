#!/bin/bash
# Installs the package in a Debian machine with systemd and without Rust, delivers the example, restarts the server,
# reboots the machine, delivers again. Needs root, and Debian's mmdebstrap and systemd-container.
#
#   cargo xtask dist && sudo packaging/try-in-a-systemd-host.sh target/dist/trunkline_*.deb
set -euo pipefail
package=$(realpath "$1")
here=$(cd "$(dirname "$0")/.." && pwd)
root=${2:-$(mktemp -d)/root}
net=trunkline-try-$$

if [ ! -e "$root/usr/lib/systemd/systemd" ]; then
    mmdebstrap --quiet --variant=minbase --include=systemd,systemd-sysv,dbus,procps,git,ca-certificates,python3,curl bookworm "$root"
fi
# The root may be used again; what an earlier try left is not.
rm -rf "$root/var/lib/trunkline"
cp "$package" "$root/root/trunkline.deb"
rm -rf "$root/root/shop" && cp -r "$here/examples/shop" "$root/root/shop"
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
inside() { nsenter -t "$leader" -m -u -i -n -p env HOME=/root TRUNKLINE_DATA=/var/lib/trunkline "$@"; }
version() { inside curl -sf http://127.0.0.1:8103/version; }
deliver() {
    inside bash -ec "cd /root/shop; [ -d .git ] || git init -q -b main; echo '# $1' >> README.md; git add -A
        git -c user.name=Ana -c user.email=ana@example.com commit -qm '$1'
        git remote get-url trunkline > /dev/null 2>&1 || trunkline project add shop
        git push -q trunkline main; trunkline watch --timeout 2m"
}
say() { echo "── $*"; }
trap 'halt 2>/dev/null || true; ip netns del "$net"' EXIT

boot
say "install"; inside dpkg -i /root/trunkline.deb; inside sh -c '! command -v rustc'; inside trunkline service status
say "jobs stand behind a wall"; inside trunkline doctor | tee /dev/stderr | grep -q "^good sandbox"
say "deliver"; deliver "Begin (#1)"; first=$(version)
say "restart the server: what is deployed lives on"
before=$(inside pgrep -f shop/server | sort | tr '\n' ' ')
inside systemctl restart trunkline; [ "$(inside pgrep -f shop/server | sort | tr '\n' ' ')" = "$before" ]; [ "$(version)" = "$first" ]
say "reboot: it comes back by itself"
halt; boot; for _ in $(seq 60); do [ "$(version || true)" = "$first" ] && break; sleep 0.5; done; [ "$(version)" = "$first" ]
say "deliver again"; deliver "Go on (#2)"; [ "$(version)" != "$first" ]
inside trunkline trace production; inside trunkline ledger verify
say "all is well"
