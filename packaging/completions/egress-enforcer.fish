# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_egress_enforcer_global_optspecs
    string join \n config= h/help V/version
end

function __fish_egress_enforcer_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_egress_enforcer_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_egress_enforcer_using_subcommand
    set -l cmd (__fish_egress_enforcer_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c egress-enforcer -n "__fish_egress_enforcer_needs_command" -l config -d 'The configuration file [default: /etc/egress-enforcer/config.toml]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_needs_command" -s h -l help -d 'Print help'
complete -c egress-enforcer -n "__fish_egress_enforcer_needs_command" -s V -l version -d 'Print version'
complete -c egress-enforcer -n "__fish_egress_enforcer_needs_command" -f -a "run" -d 'Load the policy, enforce it, and keep it up to date'
complete -c egress-enforcer -n "__fish_egress_enforcer_needs_command" -f -a "check" -d 'Validate the configuration as `run` would, and print the plan'
complete -c egress-enforcer -n "__fish_egress_enforcer_needs_command" -f -a "status" -d 'Show whether the policy is in force, and what it allows'
complete -c egress-enforcer -n "__fish_egress_enforcer_needs_command" -f -a "explain" -d 'Show whether a destination is reachable, and why'
complete -c egress-enforcer -n "__fish_egress_enforcer_needs_command" -f -a "events" -d 'Print denials and changes, or sums of denials'
complete -c egress-enforcer -n "__fish_egress_enforcer_needs_command" -f -a "suggest" -d 'Print the registries and exceptions that would allow what audit mode reported'
complete -c egress-enforcer -n "__fish_egress_enforcer_needs_command" -f -a "metrics" -d 'Print the metrics as Prometheus text, for a textfile collector'
complete -c egress-enforcer -n "__fish_egress_enforcer_needs_command" -f -a "endpoints" -d 'Print each registry with its names and addresses'
complete -c egress-enforcer -n "__fish_egress_enforcer_needs_command" -f -a "tags" -d 'Show or update the protected service tags'
complete -c egress-enforcer -n "__fish_egress_enforcer_needs_command" -f -a "doctor" -d 'Check this host or, with --registry, a registry'
complete -c egress-enforcer -n "__fish_egress_enforcer_needs_command" -f -a "prove" -d 'Try what must be refused and what must pass, and compare what is loaded with the policy'
complete -c egress-enforcer -n "__fish_egress_enforcer_needs_command" -f -a "report" -d 'Sum up the last day or week: what was refused, by whom, where to, what changed and what ages'
complete -c egress-enforcer -n "__fish_egress_enforcer_needs_command" -f -a "top" -d 'Watch the state, the denials of the last minutes by unit and destination, and the names with their addresses'
complete -c egress-enforcer -n "__fish_egress_enforcer_needs_command" -f -a "bugreport" -d 'Print what a developer needs to know about a problem, as one JSON document without secrets'
complete -c egress-enforcer -n "__fish_egress_enforcer_needs_command" -f -a "unload" -d 'End enforcement and remove everything that is loaded'
complete -c egress-enforcer -n "__fish_egress_enforcer_needs_command" -f -a "completions" -d 'Print a completion script for a shell'
complete -c egress-enforcer -n "__fish_egress_enforcer_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand run" -l scope -d 'Enforce for this cgroup and its descendants [default: `scope` of the configuration, or the cgroup v2 root]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand run" -l registry -d 'Allow this registry, without a configuration file; needs --ephemeral' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand run" -l region -d 'A region in which the registries have replicas' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand run" -l data-endpoint -d 'The full name of a data endpoint or regional endpoint of the registries' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand run" -l config -d 'The configuration file [default: /etc/egress-enforcer/config.toml]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand run" -l audit -d 'Decide and report everything, drop nothing'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand run" -l ephemeral -d 'End enforcement when this process ends'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand run" -s v -l verbose -d 'Log more; twice for everything'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand run" -s h -l help -d 'Print help'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand check" -l diff -d 'Compare this file, or without one the configuration file, with the policy that the daemon enforces' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand check" -l since -d 'With --diff, apply the file to events after the one with this number, or from this time on: 5m ago, or 2026-11-30T09:00' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand check" -l config -d 'The configuration file [default: /etc/egress-enforcer/config.toml]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand check" -l json -d 'Print one JSON document'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand status" -l config -d 'The configuration file [default: /etc/egress-enforcer/config.toml]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand status" -l json -d 'Print one JSON document'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand status" -s h -l help -d 'Print help'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand explain" -l event -d 'Explain the denial with this number in `events`, on the maps of now' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand explain" -l port -d 'The destination port [default: the one in DEST, or 443]' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand explain" -l proto -d 'The protocol' -r -f -a "tcp\t'TCP'
udp\t'UDP'
icmp\t'ICMP, without a port'"
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand explain" -l unit -d 'Evaluate for this systemd unit, with its exceptions' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand explain" -l cgroup -d 'Evaluate for this cgroup: a path below the cgroup v2 root, or its directory' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand explain" -l sni -d 'The server name of the TLS handshake [default: DEST]; empty for none' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand explain" -l config -d 'The configuration file [default: /etc/egress-enforcer/config.toml]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand explain" -l last -d 'Explain the last denial, on the maps of now'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand explain" -l trace -d 'Print each step of the decision, as logged by a program that is loaded for this command only'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand explain" -l json -d 'Print one JSON document'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and not __fish_seen_subcommand_from top verify help" -l since -d 'Print only events after the one with this number, or from this time on: 5m ago, or 2026-11-30T09:00' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and not __fish_seen_subcommand_from top verify help" -l until -d 'Print only events before this time' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and not __fish_seen_subcommand_from top verify help" -l unit -d 'Print only events of this systemd unit, or of the container with this id or beginning of an id' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and not __fish_seen_subcommand_from top verify help" -l dest -d 'Print only events whose destination is this address or in this prefix' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and not __fish_seen_subcommand_from top verify help" -l name -d 'Print only events with this server name or allowed name, or one below it' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and not __fish_seen_subcommand_from top verify help" -l reason -d 'Print only events with this reason' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and not __fish_seen_subcommand_from top verify help" -l process -d 'Print only events of processes with this command name or id' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and not __fish_seen_subcommand_from top verify help" -l config -d 'The configuration file [default: /etc/egress-enforcer/config.toml]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and not __fish_seen_subcommand_from top verify help" -l follow -d 'Keep printing events as they happen, also after a restart of the daemon'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and not __fish_seen_subcommand_from top verify help" -l utc -d 'Print times in UTC instead of this host\'s time zone'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and not __fish_seen_subcommand_from top verify help" -l json -d 'Print JSON: one document, or with --follow one per line'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and not __fish_seen_subcommand_from top verify help" -s h -l help -d 'Print help'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and not __fish_seen_subcommand_from top verify help" -f -a "top" -d 'Sum up the denials by unit, process, destination, name and reason, the most frequent first'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and not __fish_seen_subcommand_from top verify help" -f -a "verify" -d 'Check that nobody changed the event log: each line has the hash of the one before'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and not __fish_seen_subcommand_from top verify help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from top" -s n -l limit -d 'Number of sums' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from top" -l since -d 'Print only events after the one with this number, or from this time on: 5m ago, or 2026-11-30T09:00' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from top" -l until -d 'Print only events before this time' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from top" -l unit -d 'Print only events of this systemd unit, or of the container with this id or beginning of an id' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from top" -l dest -d 'Print only events whose destination is this address or in this prefix' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from top" -l name -d 'Print only events with this server name or allowed name, or one below it' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from top" -l reason -d 'Print only events with this reason' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from top" -l process -d 'Print only events of processes with this command name or id' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from top" -l config -d 'The configuration file [default: /etc/egress-enforcer/config.toml]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from top" -l utc -d 'Print times in UTC instead of this host\'s time zone'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from top" -l json -d 'Print JSON: one document, or with --follow one per line'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from top" -s h -l help -d 'Print help'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from verify" -l since -d 'Print only events after the one with this number, or from this time on: 5m ago, or 2026-11-30T09:00' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from verify" -l until -d 'Print only events before this time' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from verify" -l unit -d 'Print only events of this systemd unit, or of the container with this id or beginning of an id' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from verify" -l dest -d 'Print only events whose destination is this address or in this prefix' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from verify" -l name -d 'Print only events with this server name or allowed name, or one below it' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from verify" -l reason -d 'Print only events with this reason' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from verify" -l process -d 'Print only events of processes with this command name or id' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from verify" -l config -d 'The configuration file [default: /etc/egress-enforcer/config.toml]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from verify" -l utc -d 'Print times in UTC instead of this host\'s time zone'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from verify" -l json -d 'Print JSON: one document, or with --follow one per line'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from help" -f -a "top" -d 'Sum up the denials by unit, process, destination, name and reason, the most frequent first'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Check that nobody changed the event log: each line has the hash of the one before'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand events; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand suggest" -l since -d 'Print only events after the one with this number, or from this time on: 5m ago, or 2026-11-30T09:00' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand suggest" -l until -d 'Print only events before this time' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand suggest" -l unit -d 'Print only events of this systemd unit, or of the container with this id or beginning of an id' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand suggest" -l dest -d 'Print only events whose destination is this address or in this prefix' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand suggest" -l name -d 'Print only events with this server name or allowed name, or one below it' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand suggest" -l reason -d 'Print only events with this reason' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand suggest" -l process -d 'Print only events of processes with this command name or id' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand suggest" -l config -d 'The configuration file [default: /etc/egress-enforcer/config.toml]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand suggest" -l denied -d 'Include what was denied, not only what audit mode let pass'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand suggest" -l json -d 'Print one JSON document'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand suggest" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand metrics" -l config -d 'The configuration file [default: /etc/egress-enforcer/config.toml]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand metrics" -s h -l help -d 'Print help'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand endpoints" -l config -d 'The configuration file [default: /etc/egress-enforcer/config.toml]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand endpoints" -l json -d 'Print one JSON document'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand endpoints" -s h -l help -d 'Print help'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand tags; and not __fish_seen_subcommand_from show import bundle help" -l config -d 'The configuration file [default: /etc/egress-enforcer/config.toml]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand tags; and not __fish_seen_subcommand_from show import bundle help" -s h -l help -d 'Print help'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand tags; and not __fish_seen_subcommand_from show import bundle help" -f -a "show" -d 'Print the protected set in force and its source'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand tags; and not __fish_seen_subcommand_from show import bundle help" -f -a "import" -d 'Write a newer service-tags file to protect.service-tags'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand tags; and not __fish_seen_subcommand_from show import bundle help" -f -a "bundle" -d 'Generate the bundle for a build from a published file'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand tags; and not __fish_seen_subcommand_from show import bundle help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand tags; and __fish_seen_subcommand_from show" -l config -d 'The configuration file [default: /etc/egress-enforcer/config.toml]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand tags; and __fish_seen_subcommand_from show" -l json -d 'Print one JSON document'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand tags; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand tags; and __fish_seen_subcommand_from import" -l config -d 'The configuration file [default: /etc/egress-enforcer/config.toml]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand tags; and __fish_seen_subcommand_from import" -l force -d 'Import a file even where it is older or lacks prefixes'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand tags; and __fish_seen_subcommand_from import" -l json -d 'Print one JSON document'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand tags; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand tags; and __fish_seen_subcommand_from bundle" -l cloud -d 'Its cloud: public, us-government or china' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand tags; and __fish_seen_subcommand_from bundle" -l config -d 'The configuration file [default: /etc/egress-enforcer/config.toml]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand tags; and __fish_seen_subcommand_from bundle" -l change-number-is-lower-bound -d 'The true change number may be higher than the file\'s'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand tags; and __fish_seen_subcommand_from bundle" -s h -l help -d 'Print help'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand tags; and __fish_seen_subcommand_from help" -f -a "show" -d 'Print the protected set in force and its source'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand tags; and __fish_seen_subcommand_from help" -f -a "import" -d 'Write a newer service-tags file to protect.service-tags'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand tags; and __fish_seen_subcommand_from help" -f -a "bundle" -d 'Generate the bundle for a build from a published file'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand tags; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand doctor" -l registry -d 'Check this registry (its login server or name) instead of this host' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand doctor" -l image -d 'An image in the registry, to check where its blobs come from; nothing is stored' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand doctor" -l username -d 'The user name for the registry\'s token server; without one, no credentials are sent' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand doctor" -l password-file -d 'Read the user\'s password from this file' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand doctor" -l config -d 'The configuration file [default: /etc/egress-enforcer/config.toml]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand doctor" -l password-stdin -d 'Read the user\'s password from standard input'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand doctor" -l json -d 'Print one JSON document'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand prove" -l html -d 'Also write the result as an HTML page that needs no script and loads nothing' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand prove" -l sign -d 'Sign the page with this Ed25519 key, made by `minisign -G -W` or `openssl genpkey -algorithm ed25519`; the signature is written beside it' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand prove" -l config -d 'The configuration file [default: /etc/egress-enforcer/config.toml]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand prove" -l json -d 'Print one JSON document'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand prove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand report" -l period -d 'The period' -r -f -a "day\t''
week\t''"
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand report" -l html -d 'Also write the report as an HTML page that needs no script and loads nothing' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand report" -l config -d 'The configuration file [default: /etc/egress-enforcer/config.toml]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand report" -l json -d 'Print one JSON document'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand top" -s d -l interval -d 'Seconds between two updates' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand top" -l filter -d 'Show only denials and names that contain this text, in upper or lower case' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand top" -s n -l iterations -d 'Print text this many times instead of filling the terminal' -r
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand top" -l config -d 'The configuration file [default: /etc/egress-enforcer/config.toml]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand top" -l utc -d 'Print times in UTC instead of this host\'s time zone'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand top" -l json -d 'Print JSON, with --iterations one document per line'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand top" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand bugreport" -l config -d 'The configuration file [default: /etc/egress-enforcer/config.toml]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand bugreport" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand unload" -l config -d 'The configuration file [default: /etc/egress-enforcer/config.toml]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand unload" -l devices -d 'Remove the filters of network devices only, before a version from before them takes over from a daemon that does not run'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand unload" -l json -d 'Print one JSON document'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand unload" -s h -l help -d 'Print help'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand completions" -l config -d 'The configuration file [default: /etc/egress-enforcer/config.toml]' -r -F
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand completions" -s h -l help -d 'Print help'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand help; and not __fish_seen_subcommand_from run check status explain events suggest metrics endpoints tags doctor prove report top bugreport unload completions help" -f -a "run" -d 'Load the policy, enforce it, and keep it up to date'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand help; and not __fish_seen_subcommand_from run check status explain events suggest metrics endpoints tags doctor prove report top bugreport unload completions help" -f -a "check" -d 'Validate the configuration as `run` would, and print the plan'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand help; and not __fish_seen_subcommand_from run check status explain events suggest metrics endpoints tags doctor prove report top bugreport unload completions help" -f -a "status" -d 'Show whether the policy is in force, and what it allows'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand help; and not __fish_seen_subcommand_from run check status explain events suggest metrics endpoints tags doctor prove report top bugreport unload completions help" -f -a "explain" -d 'Show whether a destination is reachable, and why'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand help; and not __fish_seen_subcommand_from run check status explain events suggest metrics endpoints tags doctor prove report top bugreport unload completions help" -f -a "events" -d 'Print denials and changes, or sums of denials'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand help; and not __fish_seen_subcommand_from run check status explain events suggest metrics endpoints tags doctor prove report top bugreport unload completions help" -f -a "suggest" -d 'Print the registries and exceptions that would allow what audit mode reported'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand help; and not __fish_seen_subcommand_from run check status explain events suggest metrics endpoints tags doctor prove report top bugreport unload completions help" -f -a "metrics" -d 'Print the metrics as Prometheus text, for a textfile collector'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand help; and not __fish_seen_subcommand_from run check status explain events suggest metrics endpoints tags doctor prove report top bugreport unload completions help" -f -a "endpoints" -d 'Print each registry with its names and addresses'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand help; and not __fish_seen_subcommand_from run check status explain events suggest metrics endpoints tags doctor prove report top bugreport unload completions help" -f -a "tags" -d 'Show or update the protected service tags'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand help; and not __fish_seen_subcommand_from run check status explain events suggest metrics endpoints tags doctor prove report top bugreport unload completions help" -f -a "doctor" -d 'Check this host or, with --registry, a registry'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand help; and not __fish_seen_subcommand_from run check status explain events suggest metrics endpoints tags doctor prove report top bugreport unload completions help" -f -a "prove" -d 'Try what must be refused and what must pass, and compare what is loaded with the policy'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand help; and not __fish_seen_subcommand_from run check status explain events suggest metrics endpoints tags doctor prove report top bugreport unload completions help" -f -a "report" -d 'Sum up the last day or week: what was refused, by whom, where to, what changed and what ages'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand help; and not __fish_seen_subcommand_from run check status explain events suggest metrics endpoints tags doctor prove report top bugreport unload completions help" -f -a "top" -d 'Watch the state, the denials of the last minutes by unit and destination, and the names with their addresses'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand help; and not __fish_seen_subcommand_from run check status explain events suggest metrics endpoints tags doctor prove report top bugreport unload completions help" -f -a "bugreport" -d 'Print what a developer needs to know about a problem, as one JSON document without secrets'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand help; and not __fish_seen_subcommand_from run check status explain events suggest metrics endpoints tags doctor prove report top bugreport unload completions help" -f -a "unload" -d 'End enforcement and remove everything that is loaded'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand help; and not __fish_seen_subcommand_from run check status explain events suggest metrics endpoints tags doctor prove report top bugreport unload completions help" -f -a "completions" -d 'Print a completion script for a shell'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand help; and not __fish_seen_subcommand_from run check status explain events suggest metrics endpoints tags doctor prove report top bugreport unload completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand help; and __fish_seen_subcommand_from events" -f -a "top" -d 'Sum up the denials by unit, process, destination, name and reason, the most frequent first'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand help; and __fish_seen_subcommand_from events" -f -a "verify" -d 'Check that nobody changed the event log: each line has the hash of the one before'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand help; and __fish_seen_subcommand_from tags" -f -a "show" -d 'Print the protected set in force and its source'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand help; and __fish_seen_subcommand_from tags" -f -a "import" -d 'Write a newer service-tags file to protect.service-tags'
complete -c egress-enforcer -n "__fish_egress_enforcer_using_subcommand help; and __fish_seen_subcommand_from tags" -f -a "bundle" -d 'Generate the bundle for a build from a published file'
