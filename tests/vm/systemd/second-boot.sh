# Second boot: from the restart, without a resolver, to the purge.

since_boot() { sed -n "s/ $1\$//p" /run/lab/first-try | head -n 1; }

before_the_first_interface() {
    within 60 first_try_has_ended
    info "$(tr '\n' ' ' </run/lab/first-try)"
    refused=$(since_boot refused) up=$(since_boot up)
    [ -n "$refused" ] && [ -n "$up" ] || fail "never refused, or never up"
    [ "$refused" -lt "$up" ] || fail "up at $up, refused from $refused on"
    ! grep -q ' sent$' /run/lab/first-try || fail "something was sent"
    [ "$(leaked)" = 0 ] || fail "$(leaked) packets came through"
}

before_network_pre() {
    active=$(property ActiveEnterTimestampMonotonic)
    network=$(systemctl show -P ActiveEnterTimestampMonotonic network-pre.target)
    info "ready at $active, network-pre.target at $network microseconds"
    [ "$network" -gt 0 ] && [ "$active" -gt 0 ] || fail "one of them was not reached"
    [ "$active" -le "$network" ] || fail "too late"
}

from_the_state_file() {
    [ -e /run/lab/silent ] || fail "the resolver answers"
    has_address $LOGIN || fail "the address is not known"
    enforced
    wants answered $DATA_WESTUS
}

# doctor reports the unreachable resolver, and no other failure.
doctor() {
    ! egress-enforcer doctor >/run/lab/doctor || fail "doctor does not report the unreachable resolver"
    [ "$(grep -c "^✗ failed" /run/lab/doctor)" = 1 ] || fail "more failed: $(cat /run/lab/doctor)"
    rm /run/lab/silent
    egress-enforcer doctor
}

# gone PATH…
gone() {
    for path in "$@"; do
        [ ! -e "$path" ] && [ ! -L "$path" ] || fail "$path remains"
    done
}

removed() {
    dpkg --remove egress-enforcer
    gone $PINS /usr/bin/egress-enforcer /var/lib/egress-enforcer /run/egress-enforcer
    for address in $PROTECTED $EVIL $LOGIN; do wants answered "$address"; done
    [ -e /etc/egress-enforcer/config.toml ] || fail "the configuration was removed"
}

purged() {
    dpkg --purge egress-enforcer
    gone /etc/egress-enforcer/config.toml /lib/systemd/system/egress-enforcer.service \
        /etc/systemd/system/sysinit.target.wants/egress-enforcer.service
}

# doctor's result under lockdown must match whether the service starts.
locked_down() {
    echo confidentiality >/sys/kernel/security/lockdown
    rm -f /run/lab/silent
    mkdir -p /etc/egress-enforcer
    cp /lab/config.toml /etc/egress-enforcer/
    /lab/egress-guest service-tags >/etc/egress-enforcer/ServiceTags_Lab.json
    installs current || true
    passes=yes
    egress-enforcer doctor >/run/lab/doctor || passes=no
    if is_active; then runs=yes; else runs=no; fi
    info "lockdown=$(cat /sys/kernel/security/lockdown): doctor passes: $passes; the service runs: $runs"
    grep -i lockdown /run/lab/doctor || true
    [ $passes = $runs ] || fail "doctor and the service differ"
    [ $runs = no ] || wants refused $PROTECTED
}

step boot-enforces-before-the-first-interface-is-up before_the_first_interface
step boot-enforces-before-network-pre-target before_network_pre
step boot-without-a-resolver-starts-from-the-state-file from_the_state_file
step doctor-still-passes doctor
step remove-ends-enforcement-and-keeps-the-configuration removed
step purge-leaves-nothing purged
step lockdown-is-reported-correctly locked_down
