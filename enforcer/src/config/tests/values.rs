use super::*;

#[test]
fn prefix_is_exact() {
    let cidr = |cidr: &str| format!("{MINIMAL}[protect]\ncidrs = [\"{cidr}\"]\n");
    rejected(
        &cidr("10.1.0.7/24"),
        "4: protect.cidrs",
        &["write \"10.1.0.0/24\""],
    );
    rejected(
        &cidr("10.1.0.7"),
        "4: protect.cidrs",
        &["write \"10.1.0.7/32\""],
    );
    rejected(
        &cidr("2001:db8::1/32"),
        "4: protect.cidrs",
        &["write \"2001:db8::/32\""],
    );
    rejected(&cidr("10.0.0.0/33"), "4: protect.cidrs", &["not a prefix"]);
    rejected(
        &cidr("0.0.0.0/0"),
        "4: protect.cidrs",
        &["every address", "protect.default"],
    );
    rejected(
        &cidr("::ffff:10.0.0.0/104"),
        "4: protect.cidrs",
        &["write the IPv4 prefix"],
    );
    assert!(read(&cidr("2001:db8::/32")).is_ok());
}

#[test]
fn prefix_that_is_judged_as_ipv4_is_rejected() {
    let nat64 = "[protect]\nnat64 = [\"2001:db8:64::/96\"]\n";
    let protected = |cidr: &str| format!("{MINIMAL}{nat64}cidrs = [\n\"{cidr}\"]\n");
    let private = |cidr: &str| format!("{MINIMAL}private-endpoints = [\n\"{cidr}\"]\n{nat64}");
    let allowed = |cidr: &str| {
        let keys = "reason = \"r\"\nunit = \"a.service\"\nuntil = 2027-01-31T00:00:00Z";
        exception(&format!("{keys}\ncidrs = [\n\"{cidr}\"]\n{nat64}"))
    };
    let says = ["judged as IPv4", "write the IPv4 prefix"];
    for inside in [
        "64:ff9b::1400:0/104",
        "64:ff9b:1:2::/64",
        "2001:db8:64::1400:0/104",
    ] {
        rejected(&protected(inside), "6: protect.cidrs", &says);
        rejected(&private(inside), "4: registry.private-endpoints", &says);
        rejected(&allowed(inside), "8: exception.cidrs", &says);
    }
    for covering in ["64:ff9b::/32", "64::/16", "::/3", "::/80"] {
        rejected(&protected(covering), "6: protect.cidrs", &says);
        rejected(&allowed(covering), "8: exception.cidrs", &says);
    }
    let around = "2001:db8::/32";
    rejected(&protected(around), "6: protect.cidrs", &says);
    assert!(read(&allowed(around)).is_ok());
    for beside in ["64:ff9b:2::/48", "64:ff9b:0:1::/64", "2001:db8:65::/48"] {
        assert!(read(&protected(beside)).is_ok(), "{beside}");
        assert!(read(&allowed(beside)).is_ok(), "{beside}");
        assert!(read(&private(beside)).is_ok(), "{beside}");
    }
}

#[test]
fn nat64_prefix_has_a_length_of_rfc_6052() {
    let nat64 = |prefix: &str| format!("{MINIMAL}[protect]\nnat64 = [\"{prefix}\"]\n");
    for length in [32, 40, 48, 56, 64, 96] {
        assert!(
            read(&nat64(&format!("2001:db8::/{length}"))).is_ok(),
            "{length}"
        );
    }
    for length in [33, 72, 128] {
        rejected(
            &nat64(&format!("2001:db8::/{length}")),
            "4: protect.nat64",
            &["RFC 6052"],
        );
    }
    rejected(
        &nat64("2001:db8:0:0:100::/96"),
        "4: protect.nat64",
        &["bits 64 to 71"],
    );
    rejected(&nat64("10.0.0.0/8"), "4: protect.nat64", &["IPv6"]);
}

#[test]
fn durations_parse_and_unusual_ones_are_noted() {
    let linger = |text: &str| format!("{MINIMAL}[dns]\nlinger = {text}\n");
    for (text, seconds) in [
        ("\"30s\"", 30),
        ("\"15m\"", 900),
        ("\"12h\"", 43_200),
        ("\"1d\"", 86_400),
        ("\"1h 30m\"", 5400),
        ("\"15min\"", 900),
        ("\"15 minutes\"", 900),
    ] {
        assert_eq!(
            read(&linger(text)).unwrap().dns.linger,
            Duration::from_secs(seconds),
            "{text}"
        );
    }
    for wrong in ["\"15\"", "\"-15m\"", "\"1mo\"", "\"\"", "\"soon\""] {
        rejected(
            &linger(wrong),
            "4: dns.linger",
            &["not a duration", "\"15m\""],
        );
    }
    for (wrong, right) in [("15M", "15m"), ("15 Minutes", "15m"), ("12H", "12h")] {
        rejected(
            &linger(&format!("\"{wrong}\"")),
            "4: dns.linger",
            &[&format!("\"{wrong}\" is not a duration; write \"{right}\"")],
        );
    }
    rejected(&linger("15"), "4: dns.linger", &["\"15m\""]);
    for (unusual, usual) in [
        ("15min", "15m"),
        ("90 minutes", "90m"),
        ("PT12H", "12h"),
        ("1h 1sec", "3601s"),
    ] {
        let config = read(&linger(&format!("\"{unusual}\""))).unwrap();
        assert_eq!(
            config.warnings(Timestamp::UNIX_EPOCH),
            [format!(
                "dns.linger: \"{unusual}\" is read as \"{usual}\"; write that"
            )]
        );
    }
    for usual in ["30s", "15m", "24h", "1d", "1h 30m", "1h30m"] {
        let config = read(&linger(&format!("\"{usual}\""))).unwrap();
        assert_eq!(config.notes, [""; 0], "{usual}");
    }
    rejected(
        &linger("\"0s\""),
        "4: dns.linger",
        &["too short", "at least 1s"],
    );
    rejected(
        &linger("\"2d\""),
        "4: dns.linger",
        &["too long", "at most 86400s"],
    );
    rejected(
        "[[registry]]\nlogin-server = \"a.azurecr.io\"\n[protect]\nmax-age = \"1d\"\n",
        "4: protect.max-age",
        &["too short"],
    );
}

#[test]
fn dns_server_is_an_address_with_an_optional_port() {
    let servers = |list: &str| format!("{MINIMAL}[dns]\nservers = [{list}]\n");
    let config = read(&servers(
        "\"10.0.0.53\", \"10.0.0.54:5353\", \"2001:db8::53\", \"[2001:db8::54]:5353\"",
    ))
    .unwrap();
    let text: Vec<String> = config.dns.servers.iter().map(ToString::to_string).collect();
    assert_eq!(
        text,
        [
            "10.0.0.53:53",
            "10.0.0.54:5353",
            "[2001:db8::53]:53",
            "[2001:db8::54]:5353"
        ]
    );
    for wrong in [
        "dns.example.com",
        "10.0.0.1/32",
        "0.0.0.0",
        "224.0.0.251",
        "10.0.0.53:0",
    ] {
        rejected(
            &servers(&format!("\"{wrong}\"")),
            "4: dns.servers",
            &[wrong],
        );
    }
}

#[test]
fn paths_are_absolute() {
    rejected(
        "scope = \"plant.slice\"\n",
        "1: scope",
        &["not an absolute path"],
    );
    rejected(
        "[paths]\nstate = \"../state\"\n",
        "2: paths.state",
        &["not an absolute path"],
    );
    rejected(
        "[protect]\nservice-tags = \"\"\n",
        "2: protect.service-tags",
        &["empty"],
    );
    let config = read(&format!(
        "scope = \"/sys/fs/cgroup/lab\"\n{MINIMAL}[paths]\npins = \"/sys/fs/bpf/lab\"\n"
    ))
    .unwrap();
    assert_eq!(
        config.scope.as_deref(),
        Some(Path::new("/sys/fs/cgroup/lab"))
    );
    assert_eq!(
        config.paths,
        Paths {
            pins: PathBuf::from("/sys/fs/bpf/lab"),
            ..Paths::default()
        }
    );
}

#[test]
fn frames_are_on_where_the_whole_host_is_governed() {
    let scope = "scope = \"/sys/fs/cgroup/lab\"\n";
    let read = |top: &str, keys: &str| {
        let config = read(&format!("{top}{MINIMAL}[frames]\n{keys}\n")).unwrap();
        (config.frames.mode, config.frames.forwarded)
    };
    let on = FramesMode::On;
    for keys in ["", "mode = \"auto\""] {
        assert_eq!(read("", keys), (on, Forwarded::Audit), "{keys}");
        assert_eq!(read(scope, keys).0, FramesMode::Off, "{keys}");
    }
    assert_eq!(read(scope, "mode = \"on\""), (on, Forwarded::Enforce));
    assert_eq!(read("", "mode = \"on\""), (on, Forwarded::Enforce));
    assert_eq!(read("", "mode = \"off\"").0, FramesMode::Off);
    let mut left = super::read(MINIMAL).unwrap().frames;
    left.leave_auto();
    assert_eq!(left.mode, FramesMode::Off);
    let enforced = read("", "forwarded = \"enforce\"");
    assert_eq!(enforced, (on, Forwarded::Enforce));
}

#[test]
fn frames_name_devices() {
    let frames = |keys: &str| format!("{MINIMAL}[frames]\n{keys}\n");
    let config = read(&frames("mode = \"on\"\ninterfaces = [\"eth0\", \"veth*\"]")).unwrap();
    assert_eq!(config.frames.mode, FramesMode::On);
    let named = |name| config.frames.names(name);
    assert!(named("eth0") && named("veth7") && !named("eth1"));
    assert!(read(MINIMAL).unwrap().frames.names("eth1"));
    rejected(
        &frames("mode = \"yes\""),
        "4: frames.mode",
        &["unknown value `yes`", "`audit`"],
    );
    for wrong in ["", "eth 0", "a/b", "..", "a-name-of-sixteen"] {
        rejected(
            &frames(&format!("interfaces = [\"{wrong}\"]")),
            "4: frames.interfaces",
            &["not the name of a network device"],
        );
    }
    rejected(
        &frames("interfaces = [\"v*eth\"]"),
        "4: frames.interfaces",
        &["only a final one"],
    );
}

#[test]
fn metrics_are_served_on_loopback_unless_remote_is_allowed() {
    let metrics = |keys: &str| format!("{MINIMAL}[metrics]\n{keys}\n");
    let listen = |keys: &str| read(&metrics(keys)).unwrap().metrics.listen;
    assert_eq!(read(MINIMAL).unwrap().metrics.listen, None);
    for address in ["127.0.0.1:9469", "[::1]:1", "127.8.8.8:9469"] {
        let found = listen(&format!("listen = \"{address}\""));
        assert_eq!(found, Some(address.parse().unwrap()));
    }
    let remote = listen("listen = \"0.0.0.0:9469\"\nremote = true");
    assert_eq!(remote, Some("0.0.0.0:9469".parse().unwrap()));
    for (wrong, said) in [
        ("10.0.0.1:9469", "remote = true"),
        ("[::]:9469", "other hosts reach ::"),
        ("127.0.0.1", "not an address with a port"),
        ("127.0.0.1:0", "cannot be listened on"),
    ] {
        let text = metrics(&format!("listen = \"{wrong}\""));
        rejected(&text, "4: metrics.listen", &[said]);
    }
}
