# Helpers of the scenario.
PROTECTED=203.0.113.66
EVIL=198.51.100.50
LOGIN=198.51.100.10
DATA_WESTUS=198.51.100.210
PINS=/sys/fs/bpf/egress-enforcer
failed=0

# step NAME COMMAND…: runs COMMAND in a shell that exits at the first failure, and prints the result.
step() {
    name=$1
    shift
    if (set -eu; "$@") >/run/lab/step 2>&1 </dev/null; then
        echo "ok $name ($(cut -d' ' -f1 /proc/uptime) s)"
        sed 's/^/    /' /run/lab/step | grep '^    info: ' || true
    else
        failed=1
        echo "not ok $name: $(tail -n 1 /run/lab/step)"
        sed 's/^/    /' /run/lab/step | tail -n 25
        journalctl -q -b -u egress-enforcer -n 15 -o short-monotonic --no-pager | sed 's/^/    journal: /'
    fi
}
is_brief() { grep -qw 'lab.extent=brief' /proc/cmdline; }
# whole_run_step NAME COMMAND…: the same, except in a brief run.
whole_run_step() { is_brief || step "$@"; }
# Prints a measured value.
info() { echo "info: $*"; }
fail() { echo "$*"; exit 1; }

# Exit statuses do not end a shell inside a condition, so every check reports its own failure.
tried() { /lab/egress-guest try "$1" || true; }
wants() { # wants OUTCOME ADDRESS
    came=$(tried "$2")
    [ "$came" = "$1" ] || fail "$2: $came instead of $1"
}
leaked() { sleep 0.3; cat /run/lab/leaked; }
enforced() {
    before=$(leaked)
    for address in $PROTECTED $EVIL; do wants refused "$address"; done
    wants answered $LOGIN
    [ "$(leaked)" = "$before" ] || fail "packets came through"
}
first_try_has_ended() { grep -q ' end$' /run/lab/first-try; }
property() { systemctl show -P "$1" egress-enforcer; }
pid() { property MainPID; }
# How many times longer things take where other guests and tests share the host's processors.
SLOWER=5
# within SECONDS COMMAND…
within() {
    seconds=$((SLOWER * $1))
    shift
    for _try in $(seq $((seconds * 5))); do
        if "$@"; then return 0; fi
        sleep 0.2
    done
    fail "not within $seconds s: $*"
}
is_active() { [ "$(property ActiveState)" = active ]; }
# The text in each program that knows the filters of network devices.
MARK='egress-enforcer: knows filters of network devices 1'
is_filtered() { tc filter show dev eth0 egress | grep -q device_egress; }
has_address() { egress-enforcer endpoints 2>/dev/null | grep -q "$1"; }
installs() { DEBIAN_FRONTEND=noninteractive dpkg --force-confold -i "/lab/$1.deb"; }
# connects NAME: keeps one verified connection in use until the traffic ends.
connects() {
    /lab/egress-guest keepalive /run/lab/end >"/run/lab/connection-$1" 2>&1 &
    connections="$connections $1=$!"
}
# under_traffic COMMAND…: checks that no packet is lost or leaks meanwhile, and that connections continue.
under_traffic() {
    before=$(leaked)
    rm -f /run/lab/end
    connections=
    connects first
    /lab/egress-guest stream 40 /run/lab/end >/run/lab/totals 2>&1 &
    stream=$!
    sleep 1
    "$@"
    sleep 1
    touch /run/lab/end
    wait $stream || fail "the stream: $(cat /run/lab/totals)"
    for connection in $connections; do
        file=/run/lab/connection-${connection%=*}
        wait "${connection#*=}" || fail "a verified connection: $(cat "$file")"
        info "$(cat "$file")"
    done
    [ "$(leaked)" = "$before" ] || fail "packets came through"
    info "$(cat /run/lab/totals)"
}
