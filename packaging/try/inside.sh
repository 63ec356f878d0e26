#!/bin/bash
# What a machine with systemd and without Rust is put through: `first`, and `again` after a reboot. As root, in that
# machine: the package at /root/trunkline.deb, the archive at /root/trunkline.tar.gz, the example at /root/shop. The hosts
# beside this file call it.
set -euo pipefail
export HOME=/root TRUNKLINE_DATA=/var/lib/trunkline

say() { echo "── $*"; }
version() { curl -sf http://127.0.0.1:8103/version; }
commit() { git add -A; git -c user.name=Ana -c user.email=ana@example.com commit -qm "$1"; }
push() { commit "$1"; git push -q trunkline main; trunkline watch --timeout 2m; }
deliver() {
    cd /root/shop
    [ -d .git ] || { git init -q -b main; commit "Add the shop"; trunkline project add shop; }
    echo "# $1" >> README.md
    push "$1"
}
# A repository elsewhere, through the ssh of the user that the server runs as.
follow() {
    install -d -m 700 -o trunkline -g trunkline /var/lib/trunkline/.ssh
    install -m 600 -o trunkline -g trunkline /root/.ssh/id_ed25519 /root/.ssh/known_hosts /var/lib/trunkline/.ssh/
    rm -rf /root/far /root/far.git; git init -q --bare -b main /root/far.git; git init -q -b main /root/far; cd /root/far
    echo 'on: push
jobs: { hello: { run: echo hello } }' > trunkline.yaml
    commit "Begin"; git push -q /root/far.git main
    trunkline project add far --git ssh://root@127.0.0.1/root/far.git; trunkline watch far/1 --timeout 1m
    echo "# more" >> trunkline.yaml; commit "Go on"; git push -q /root/far.git main; trunkline sync far; trunkline watch far/2 --timeout 1m
    mv /root/far.git /root/moved.git
    if trunkline sync far 2> /tmp/gone; then echo "it has moved"; exit 1; fi
    cat /tmp/gone; trunkline status 2>&1 | grep "far: its repository: "
    trunkline project follow far --git ssh://root@127.0.0.1/root/moved.git
    echo "# and more" >> trunkline.yaml; commit "Go on there"; git push -q /root/moved.git main; trunkline sync far; trunkline watch far/3 --timeout 1m
}
# The archive in place of the package, on the same record: the way of a machine without dpkg.
by_hand() {
    dpkg -r trunkline; hash -r
    cd /root; tar -xzf /root/trunkline.tar.gz; install trunkline-*-linux/bin/trunkline /usr/local/bin/; hash -r
    trunkline service install; trunkline service status
    say "an upgrade"; cp /usr/local/bin/trunkline /root/newer; trunkline service upgrade /root/newer; trunkline service status
    say "an upgrade to what does not answer is taken back"
    printf '#!/bin/sh\n[ "$1" = serve ] && exec sleep 1000\nexec /root/newer "$@"\n' > /root/broken; chmod +x /root/broken
    # Sooner than systemd would give up (90 s).
    SECONDS=0; if trunkline service upgrade /root/broken 2> /tmp/taken-back; then echo "it was put in place"; exit 1; fi
    cat /tmp/taken-back; [ "$SECONDS" -lt 60 ]; trunkline service status; cmp /root/newer /usr/local/bin/trunkline
}
# A server whose jobs have limits, where this machine's control groups can keep them.
limited() {
    rm -rf /root/greedy; mkdir -p /etc/systemd/system/trunkline.service.d /root/greedy
    printf '[Service]\nExecStart=\nExecStart=/usr/bin/trunkline serve --data /var/lib/trunkline --job-memory 64M --job-processes 50\n' \
        > /etc/systemd/system/trunkline.service.d/limits.conf
    systemctl daemon-reload; systemctl restart trunkline; trunkline doctor
    cd /root/greedy; git init -q -b main
    cat > trunkline.yaml <<'FILE'
on: push
jobs:
  memory: { run: "python3 -c 'x = bytearray(200_000_000)'" }
  processes: { run: "for i in $(seq 60); do sleep 5 & done; wait" }
  modest: { run: "python3 -c 'x = bytearray(20_000_000)'" }
FILE
    commit "Want too much"; trunkline project add greedy; git push -q trunkline main
    if trunkline watch --timeout 2m; then echo "what wants too much passed"; exit 1; fi
    trunkline runs view 1 | tee /tmp/greedy
    trunkline runs view 1 --json > /tmp/greedy.json
    python3 - <<'CHECK'
import json
jobs = {job["key"]: job for job in json.load(open("/tmp/greedy.json"))["jobs"]}
ended = {key: job["status"]["ended"] for key, job in jobs.items()}
assert ended == {"memory": "failed", "processes": "failed", "modest": "passed"}, ended
assert "64M" in jobs["memory"]["reason"], jobs["memory"]
used = jobs["modest"]["steps"][0]["usage"]
assert used["source"] == "control-group" and 20_000 < used["peak_kb"] < 64 * 1024, used
CHECK
    rm /etc/systemd/system/trunkline.service.d/limits.conf; systemctl daemon-reload; systemctl restart trunkline
}

case "$1" in
first)
    # Not `! command`: bash ends at no failure of one.
    if command -v rustc; then echo "this machine has Rust"; exit 1; fi
    say "install"; dpkg -i /root/trunkline.deb; trunkline service status
    say "jobs stand behind a wall"; trunkline doctor | tee /tmp/doctor; grep -q "^good sandbox.level 'sandbox'" /tmp/doctor
    say "an unknown host is said to be unknown, whatever modules the machine has for names"
    if TRUNKLINE_SERVER=http://nowhere.invalid TRUNKLINE_TOKEN=none trunkline status 2> /tmp/unknown; then echo "it was found"; exit 1; fi
    cat /tmp/unknown; grep -q TL02 /tmp/unknown
    say "deliver"; deliver "Begin (#1)"; version > /root/first
    say "from elsewhere, through ssh"
    mkdir -p -m 700 /root/.ssh; ssh-keygen -q -t ed25519 -N "" -f /root/.ssh/id_ed25519
    cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys; ssh-keyscan 127.0.0.1 > /root/.ssh/known_hosts 2> /dev/null
    (cd /; unset TRUNKLINE_DATA; TRUNKLINE_SERVER=ssh://root@127.0.0.1 trunkline status > /tmp/status; cat /tmp/status; grep -q shop /tmp/status)
    say "follow a repository through ssh"; follow
    say "restart the server: what is deployed lives on"
    before=$(pgrep -f shop/server | sort | tr '\n' ' ')
    systemctl restart trunkline; [ "$(pgrep -f shop/server | sort | tr '\n' ' ')" = "$before" ]; [ "$(version)" = "$(cat /root/first)" ]
    if grep -q "^good control groups.*limited" /tmp/doctor; then say "limits of jobs are kept"; limited
    else say "limits of jobs: this machine cannot keep them, so they are not tried"; fi
    ;;
again)
    say "after the reboot it comes back by itself"
    for _ in $(seq 60); do [ "$(version || true)" = "$(cat /root/first)" ] && break; sleep 0.5; done; [ "$(version)" = "$(cat /root/first)" ]
    say "deliver again"; deliver "Go on (#2)"; [ "$(version)" != "$(cat /root/first)" ]
    trunkline trace production; trunkline ledger verify
    say "the archive instead of the package"; by_hand
    say "deliver once more"; deliver "Further (#3)"; trunkline ledger verify
    say "all is well"
    ;;
esac
