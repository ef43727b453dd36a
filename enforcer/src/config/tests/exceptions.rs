use super::*;

#[test]
fn exception_has_reason_target_destinations_and_end() {
    let whole = "reason = \"logs\"\nunit = \"a.service\"\nnames = [\"a.blob.core.windows.net\"]\nuntil = 2027-01-31T00:00:00Z";
    assert!(read(&exception(whole)).is_ok());
    let without = |line: &str| exception(&whole.replace(line, ""));
    rejected(
        &without("reason = \"logs\""),
        "3: exception",
        &["reason is missing"],
    );
    rejected(
        &without("unit = \"a.service\""),
        "3: exception",
        &["unit is missing", "cgroup"],
    );
    rejected(
        &without("names = [\"a.blob.core.windows.net\"]"),
        "3: exception",
        &["allows nothing"],
    );
    rejected(
        &without("until = 2027-01-31T00:00:00Z"),
        "3: exception",
        &["until is missing"],
    );
    let with = |from: &str, to: &str| exception(&whole.replace(from, to));
    rejected(
        &with("\"logs\"", "\"  \""),
        "4: exception.reason",
        &["empty"],
    );
    rejected(
        &with("a.service", "a"),
        "5: exception.unit",
        &["\"agent.service\""],
    );
    rejected(
        &with("a.service\"", "a.service\"\ncgroup = \"/x\""),
        "3: exception",
        &["keep one"],
    );
    rejected(
        &with("unit = \"a.service\"", "cgroup = \"x/../y\""),
        "5: exception.cgroup",
        &["not an absolute path"],
    );
    let config = read(&with(
        "unit = \"a.service\"",
        "cgroup = \"/system.slice/a.service\"",
    ))
    .unwrap();
    assert_eq!(
        config.exceptions[0].target,
        Target::Cgroup(PathBuf::from("/system.slice/a.service"))
    );
}

#[test]
fn exception_target_is_below_the_root_and_within_the_kernel_depth() {
    let target = |target: &str| {
        exception(&format!(
            "{target}\nreason = \"r\"\nnames = [\"a.b\"]\nuntil = 2027-01-31T00:00:00Z"
        ))
    };
    for root in [
        "/",
        "//",
        "/./",
        "/sys/fs/cgroup",
        "/sys/fs/cgroup/unified/",
    ] {
        rejected(
            &target(&format!("cgroup = \"{root}\"")),
            "4: exception.cgroup",
            &["every process", "[[registry]]", "protect.default"],
        );
    }
    rejected(
        &target("unit = \"-.slice\""),
        "4: exception.unit",
        &["every process"],
    );
    let deep = |levels: usize| {
        target(&format!(
            "cgroup = \"/sys/fs/cgroup{}\"",
            "/a".repeat(levels)
        ))
    };
    assert!(read(&deep(16)).is_ok());
    rejected(
        &deep(17),
        "4: exception.cgroup",
        &["17 levels", "down to level 16"],
    );
    rejected(
        &target("cgroup = \"/a/../../b\""),
        "4: exception.cgroup",
        &["without \"..\""],
    );
}

#[test]
fn end_of_an_exception_is_an_instant() {
    let until = |until: &str| {
        exception(&format!(
            "reason = \"r\"\nunit = \"a.service\"\nnames = [\"a.b\"]\nuntil = {until}"
        ))
    };
    let config = read(&until("2027-01-31T02:00:00+02:00")).unwrap();
    assert_eq!(
        config.exceptions[0].until,
        "2027-01-31T00:00:00Z".parse::<Timestamp>().unwrap()
    );
    rejected(
        &until("2027-01-31T00:00:00"),
        "7: exception.until",
        &["add Z", "2027-01-31T00:00:00Z"],
    );
    rejected(
        &until("2027-01-31"),
        "7: exception.until",
        &["add Z", "2027-01-31T00:00:00Z"],
    );
    rejected(&until("12:00:00"), "7: exception.until", &["add Z"]);
    rejected(
        &until("\"2027-01-31T00:00:00Z\""),
        "7: exception.until",
        &["datetime"],
    );
}

#[test]
fn ended_exception_and_unprotected_registries_are_warnings() {
    let text = exception(
        "reason = \"r\"\nunit = \"a.service\"\nnames = [\"a.b\"]\nuntil = 2027-01-31T00:00:00Z\n[protect]\ntags = [\"Storage\"]",
    );
    let config = read(&text).unwrap();
    let at = |now: &str| config.warnings(now.parse().unwrap());
    assert_eq!(at("2027-01-16T23:59:59Z").len(), 1);
    for (now, when) in [
        ("2027-01-17T00:00:00Z", "ends in 14 days"),
        ("2027-01-29T23:00:00Z", "ends in one day"),
        ("2027-01-30T23:59:59Z", "ends in less than a day"),
    ] {
        let warning = at(now).pop().unwrap();
        for words in [
            "exception.until",
            "unit a.service",
            "\"r\"",
            when,
            "2027-01-31",
        ] {
            assert!(warning.contains(words), "no {words:?} in {warning}");
        }
    }
    let warnings = at("2027-01-31T00:00:00Z");
    assert!(
        warnings[0].contains("every registry stays reachable"),
        "{warnings:?}"
    );
    assert!(
        warnings[1].contains("unit a.service") && warnings[1].contains("ended at"),
        "{warnings:?}"
    );
    assert!(read(MINIMAL).unwrap().warnings(Timestamp::MAX).is_empty());
}

#[test]
fn cgroup_path_with_the_mount_point_is_a_warning_with_its_fix() {
    let warnings = |path: &str| {
        let text = format!(
            "reason = \"r\"\ncgroup = \"{path}\"\nnames = [\"a.b\"]\nuntil = 2999-01-31T00:00:00Z"
        );
        read(&exception(&text))
            .unwrap()
            .warnings(Timestamp::UNIX_EPOCH)
    };
    for mount in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
        let [warning] = &warnings(&format!("{mount}/plant.slice/a.service"))[..] else {
            panic!("{mount}");
        };
        assert!(
            warning.starts_with("exception.cgroup: ")
                && warning.ends_with("write \"/plant.slice/a.service\""),
            "{warning}"
        );
    }
    assert!(warnings("/plant.slice/a.service").is_empty());
}

#[test]
fn reason_is_one_line_without_control_characters() {
    let text = "reason = \"\"\"\nlogs\n\\u001b[2Jgone\"\"\"\nunit = \"a.service\"\nnames = [\"a.b\"]\nuntil = 2027-01-31T00:00:00Z";
    let config = read(&exception(text)).unwrap();
    assert_eq!(config.exceptions[0].reason, "logs\\n\\u{1b}[2Jgone");
}
