# First boot: from a machine without the package to the restart.

first_try_passes() {
    within 60 first_try_has_ended
    info "$(tr '\n' ' ' </run/lab/first-try)"
    grep -q ' sent$' /run/lab/first-try || fail "a storage account cannot be reached at all"
    ! grep -q ' refused$' /run/lab/first-try || fail "connections are refused without the package"
    [ "$(leaked)" -gt 0 ] || fail "the cloud counts no packets"
    for address in $PROTECTED $EVIL $LOGIN; do wants answered "$address"; done
}

install() {
    mkdir -p /etc/egress-enforcer
    cp /lab/config.toml /etc/egress-enforcer/
    /lab/egress-guest service-tags >/etc/egress-enforcer/ServiceTags_Lab.json
    installs previous
    [ "$(systemctl is-enabled egress-enforcer)" = enabled ] || fail "not enabled"
    is_active || fail "not active: $(property ActiveState)"
}

ready() {
    systemctl restart egress-enforcer
    # Ready means attached, so this does not wait.
    wants refused $PROTECTED
    within 60 has_address $LOGIN
    enforced
    info "installed size $(dpkg-query -W -f '${Installed-Size}' egress-enforcer) KiB, $(grep VmRSS /proc/"$(pid)"/status | tr -s '\t ' ' ')"
}

doctor() { egress-enforcer doctor; }

sandbox() {
    exposure=$(systemd-analyze security --no-pager egress-enforcer | tail -n 1)
    info "$exposure"
    tenths=$(echo "$exposure" | sed -n 's/.*: \([0-9]*\)\.\([0-9]\).*/\1\2/p')
    [ "$tenths" -le 25 ] || fail "more exposed than 2.5: $exposure"
    journalctl -q -b -u egress-enforcer -o cat _PID="$(pid)" | grep -q . || fail "nothing of the daemon's in the journal"
    ! touch "/proc/$(pid)/root/etc/lab" 2>/dev/null || fail "the daemon's /etc can be written"
    grep -q 'NoNewPrivs:.1' "/proc/$(pid)/status" || fail "new privileges can be had"
    grep -q 'Seccomp:.2' "/proc/$(pid)/status" || fail "no system call is filtered"
    ! journalctl -q -b -k --grep 'type=1326.*egress' | grep . || fail "a system call was refused"
}

events_name_who() {
    printf '[Service]\nType=oneshot\nExecStart=/lab/egress-guest try %s\n' $PROTECTED >/run/systemd/system/lab-exfiltrates.service
    systemctl daemon-reload
    systemctl start lab-exfiltrates
    within 5 sh -c "egress-enforcer events --json | grep lab-exfiltrates.service"
    egress-enforcer events --json | grep -C 15 '"unit": "lab-exfiltrates.service"' >/run/lab/event
    grep -q egress-guest /run/lab/event || fail "no process: $(cat /run/lab/event)"
    grep -q $PROTECTED /run/lab/event || fail "no address: $(cat /run/lab/event)"
    # The id is that of denials in egress-enforcer(8).
    logged=$(journalctl -q -b -o cat MESSAGE_ID=99c7316c0a1f4dd68a0f44c26556da5f EGRESS_UNIT=lab-exfiltrates.service EGRESS_DESTINATION=$PROTECTED)
    echo "$logged" | grep -q "^denied egress-guest([0-9]*) of lab-exfiltrates.service, tcp to $PROTECTED:[0-9]*: an Azure storage address" ||
        fail "the journal has no sentence: $logged"
}

group() {
    useradd --system --no-create-home --groups egress-enforcer lab-member
    useradd --system --no-create-home lab-outsider
    as() { setpriv --reuid "$1" --regid "$1" --init-groups --no-new-privs "$2" "$3"; }
    as lab-member egress-enforcer status || fail "a member of the group gets no status: $(as lab-member egress-enforcer status 2>&1)"
    ! as lab-outsider egress-enforcer status || fail "a user outside the group gets the status"
}

reload() {
    sed -i 's/"eastus"/"eastus", "westus"/' /etc/egress-enforcer/config.toml
    wants refused $DATA_WESTUS
    systemctl reload egress-enforcer
    within 60 has_address $DATA_WESTUS
    wants answered $DATA_WESTUS
    is_active || fail "not active after a reload"
}

reload_of_invalid() {
    main=$(pid)
    cp /etc/egress-enforcer/config.toml /lab/config.backup
    echo 'nonsense = true' >/etc/egress-enforcer/config.toml
    ! systemctl reload egress-enforcer || fail "an invalid configuration was accepted"
    journalctl -q -b -u egress-enforcer -n 20 -o cat | grep -q nonsense || fail "the journal does not name the key"
    cp /lab/config.backup /etc/egress-enforcer/config.toml
    is_active && [ "$(pid)" = "$main" ] || fail "the daemon ended"
    wants answered $DATA_WESTUS
    enforced
}

watchdog() {
    mkdir -p /run/systemd/system/egress-enforcer.service.d
    printf '[Service]\nWatchdogSec=4s\n' >/run/systemd/system/egress-enforcer.service.d/lab.conf
    systemctl daemon-reload
    systemctl restart egress-enforcer
    main=$(pid)
    kill -STOP "$main"
    is_new() {
        enforced
        is_active && [ "$(pid)" != "$main" ]
    }
    within 40 is_new
    journalctl -q -b -u egress-enforcer -o cat | grep -i watchdog | tail -n 1
    journalctl -q -b -u egress-enforcer -o cat | grep -qi 'watchdog timeout' || fail "it was not the watchdog"
    rm -r /run/systemd/system/egress-enforcer.service.d
    systemctl daemon-reload
    systemctl restart egress-enforcer
}

kills() {
    for _time in 1 2; do
        main=$(pid)
        kill -KILL "$main"
        is_back() { is_active && [ "$(pid)" != "$main" ]; }
        within 60 is_back
    done
}

upgrades() {
    versions="current next current"
    ! is_brief || versions=current
    for version in $versions; do
        installs $version
        is_active || fail "not active after the upgrade to $version"
        enforced
        info "$version has pins in $(ls $PINS)"
        [ $version != next ] || connects next
    done
}

# A daemon in its sandbox sees what replaces its program.
replaced_program() {
    printf '\n[frames]\nmode = "on"\ninterfaces = ["eth0"]\n' >>/etc/egress-enforcer/config.toml
    systemctl reload egress-enforcer
    within 30 is_filtered
    installs current
    is_filtered || fail "an upgrade removed the filters"
    within 30 is_active
    cp /usr/bin/egress-enforcer /lab/program
    sed "s/$MARK/$(echo "$MARK" | tr 'a-z:' '-')/" /lab/program >/usr/bin/egress-enforcer.new
    ! grep -q "$MARK" /usr/bin/egress-enforcer.new || fail "the mark is still there"
    chmod 755 /usr/bin/egress-enforcer.new
    mv /usr/bin/egress-enforcer.new /usr/bin/egress-enforcer
    is_filtered || fail "no filter before the stop"
    systemctl stop egress-enforcer
    ! is_filtered || fail "filters are left to a program that does not know them"
    enforced
    mv /lab/program /usr/bin/egress-enforcer
    sed -i '/^\[frames\]/,$d' /etc/egress-enforcer/config.toml
    systemctl start egress-enforcer
    is_filtered || fail "no filters by default"
    enforced
}

# The way of docs/rollout.md, each step from the output of the one before.
rollout() {
    config=/etc/egress-enforcer/config.toml
    new=/etc/egress-enforcer/new.toml
    account=evil.blob.core.windows.net
    agent=lab-agent.service
    said() { sed "s/^/info: $1 | /" "$2"; }
    cp $config /lab/config.backup
    trap 'rm -f $new; cp /lab/config.backup $config; systemctl reload egress-enforcer' EXIT
    printf '[Service]\nType=oneshot\nStandardOutput=truncate:/run/lab/agent\nExecStart=/bin/sh -c "getent ahostsv4 %s; /lab/egress-guest try %s"\n' $account $PROTECTED >/run/systemd/system/$agent
    systemctl daemon-reload
    # runs OUTCOME: starts the agent once, and looks at its output.
    runs() {
        systemctl start $agent || fail "the agent does not start"
        tail -n 1 /run/lab/agent | grep -qx "$1" || fail "the agent is not $1: $(cat /run/lab/agent)"
    }

    { echo 'mode = "audit"'; cat /lab/config.backup; } >$config
    systemctl reload egress-enforcer || fail "audit mode was not accepted"
    runs answered
    [ "$(leaked)" -gt "$1" ] || fail "nothing passed in audit mode"
    within 5 sh -c "egress-enforcer events --since 10m --unit $agent | grep -q $account"
    egress-enforcer events --since 10m --unit $agent >/lab/said || fail "no events"
    said events /lab/said

    egress-enforcer suggest --since 10m >/lab/fragment.toml || fail "no suggestion"
    said suggest /lab/fragment.toml
    sed 's/^reason = ""/reason = "uploads its logs"/; s/^# until = YYYY-MM-DD/until = 2099-01-31/' /lab/fragment.toml |
        cat /lab/config.backup - >$new
    egress-enforcer check --config $new >/lab/said || fail "the completed fragment is invalid: $(cat /lab/said)"

    ! egress-enforcer check --diff $new >/lab/said || fail "an exception does not weaken"
    said check /lab/said
    grep -q "exception unit $agent: $account" /lab/said || fail "the exception is not named"

    cp $new $config
    systemctl reload egress-enforcer || fail "the completed fragment was not accepted"
    egress-enforcer check --diff >/lab/said || fail "not what is in force: $(cat /lab/said)"
    said check /lab/said
    within 60 sh -c "egress-enforcer status | grep $account | grep -q $PROTECTED"
    runs answered
    # The exception is the agent's alone.
    wants refused $PROTECTED

    egress-enforcer prove --html /lab/proof.html >/lab/said || fail "$(cat /lab/said)"
    said prove /lab/said
    grep -q '<html' /lab/proof.html || fail "no page"
    egress-enforcer report >/lab/said || fail "no report"
    said report /lab/said
    grep -q $agent /lab/said || fail "the report has no denial of the agent"
    egress-enforcer top --filter $account >/lab/said || fail "no top"
    said top /lab/said
    grep -q $account /lab/said || fail "top does not have the name"
}

stop() {
    systemctl stop egress-enforcer
    enforced
    [ -e $PINS ] || fail "no pins"
    systemctl start egress-enforcer
}

container() {
    mkdir -p /lab/container/rootfs/bin /lab/container/rootfs/proc
    cp /bin/busybox /lab/container/rootfs/bin/
    ln -sf busybox /lab/container/rootfs/bin/sh
    cp container.json /lab/container/config.json
    # A minimal ClientHello (RFC 8446, section 4.1.2), which is a bad request for the server.
    for name in contoso mallory; do
        {
            printf '\026\003\001\000\114\001\000\000\110\003\003%s\000' 12345678901234567890123456789012
            printf '\000\004\300\057\000\377\001\000\000\033\000\000\000\027\000\025\000\000\022%s.azurecr.io' $name
        } >/lab/container/rootfs/$name
    done
    cat >/lab/container/rootfs/work.sh <<'W'
answer() { busybox nc -w 3 198.51.100.10 443 <"/$1" 2>&1; }
echo "protected: $(echo | busybox nc -w 3 203.0.113.66 443 2>&1)"
echo "allowed: $(answer contoso)"
echo "other-tenant: $(answer mallory)"
W
    said=$(runc run --bundle /lab/container lab-one)
    echo "$said"
    echo "$said" | grep -q 'protected: .*Operation not permitted' || fail "a container is not refused"
    echo "$said" | grep -q 'allowed: .*HTTP/1.0 400' || fail "a container gets no answer"
    echo "$said" | grep -q 'other-tenant: $' || fail "a container gets an answer for another tenant's name"
    egress-enforcer events --json | grep -q lab-containers || fail "no event names the container"
    # A separate network namespace changes nothing.
    sed -i 's/{ "type": "pid" }/{ "type": "network" }, &/' /lab/container/config.json
    runc run --bundle /lab/container lab-two | grep -q 'protected: .*Operation not permitted' || fail "a container with its own network is not refused"
    [ "$(leaked)" = "$1" ] || fail "packets came through"
}

idle() {
    ticks() { cut -d' ' -f14,15 "/proc/$(pid)/stat" | tr ' ' + ; }
    switches() { sed -n 's/^voluntary_ctxt_switches:.//p' "/proc/$(pid)/status"; }
    sleep 5
    cpu=$(ticks)
    woken=$(switches)
    sleep 60
    cpu=$(($(ticks) - ($cpu)))
    woken=$(($(switches) - woken))
    info "in 60 s: $cpu ticks of 10 ms, woken $woken times, $(grep VmRSS "/proc/$(pid)/status" | tr -s '\t ' ' ')"
    # Names are resolved again within the minute, and the watchdog is notified twice; an emulated processor is some tens of times slower.
    [ "$woken" -le 30 ] || fail "woken $woken times in an idle minute"
    [ "$cpu" -le 30 ] || fail "$cpu ticks of processor time in an idle minute"
}

step without-the-package-connections-succeed first_try_passes
step install-enables-and-starts install
step ready-means-enforced ready
step doctor-passes doctor
step sandbox-restrictions-apply sandbox
step events-name-process-and-unit events_name_who
step status-is-for-the-group group
step reload-applies-a-new-region reload
step reload-rejects-an-invalid-configuration reload_of_invalid
step container-is-judged-like-any-process container "$(leaked)"
whole_run_step watchdog-restarts-a-hung-daemon-without-a-gap watchdog
whole_run_step kills-lose-and-leak-nothing under_traffic kills
step upgrades-lose-and-leak-nothing under_traffic upgrades
whole_run_step a-program-from-before-frames-finds-no-filters replaced_program
whole_run_step rollout-from-audit-to-report rollout "$(leaked)"
step stop-keeps-enforcing stop
whole_run_step idle-uses-no-processor-time idle
touch /lab/silent
