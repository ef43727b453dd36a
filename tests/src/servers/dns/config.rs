//! Configuration files of PowerDNS and unbound.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
};

use anyhow::Result;

use crate::{ScratchDir, fixtures::tool_cache::ToolCache};

/// PowerDNS's address, inside the cloud.
pub(super) const AUTHORITY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5300);

/// Returns PowerDNS's configuration: without caches, so that each query reaches the zones, and with one thread, so that rotation has one counter.
pub(super) fn pdns_conf(cache: &ToolCache, scratch: &ScratchDir) -> Result<String> {
    let dir = scratch.path().join("dns");
    let mut conf = format!(
        "launch=bind\nbind-config={0}/named.conf\nsocket-dir={0}\nmodule-dir={1}\n\
         local-address={2}\nlocal-port={3}\n",
        dir.display(),
        cache.pdns_modules()?.display(),
        AUTHORITY.ip(),
        AUTHORITY.port(),
    );
    conf.push_str(
        "daemon=no\nguardian=no\ndisable-syslog=yes\nloglevel=4\nsecurity-poll-suffix=\n\
         cache-ttl=0\nquery-cache-ttl=0\nnegquery-cache-ttl=0\nzone-cache-refresh-interval=0\n\
         receiver-threads=1\ndistributor-threads=1\nenable-lua-records=shared\n",
    );
    Ok(conf)
}

/// Returns unbound's configuration. It stays root: the kernel clears the parent-death signal when a process changes its user.
pub(super) fn unbound_conf(dir: &Path, keeps: bool) -> String {
    format!(
        r#"
server:
    directory: ""
    chroot: ""
    username: ""
    pidfile: ""
    do-daemonize: no
    use-syslog: no
    num-threads: 1
    so-reuseport: yes
    interface-automatic: yes
    access-control: 0.0.0.0/0 allow
    access-control: ::/0 allow
    module-config: "iterator"
    do-not-query-localhost: no
    qname-minimisation: no
    cache-max-negative-ttl: 5
    infra-host-ttl: 1
remote-control:
    control-enable: yes
    control-use-cert: no
    control-interface: {}/unbound.ctl
forward-zone:
    name: "."
    forward-addr: {}@{}
    forward-no-cache: {}
"#,
        dir.display(),
        AUTHORITY.ip(),
        AUTHORITY.port(),
        if keeps { "no" } else { "yes" },
    )
}
