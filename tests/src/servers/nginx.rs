//! The cloud's front ends. As in the service, one front end serves many customers: the address
//! determines the kind of endpoint and the region, the server name determines the customer.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::{
    ScratchDir,
    fixtures::{
        server::{Server, accepts},
        tool_cache::ToolCache,
    },
    servers::{
        azurite::AZURITE,
        certificates::{Certificates, Leaf},
        registry::{CONTOSO, OTHERS},
        token_registry,
    },
    topology::{
        addresses::{
            DATA_EASTUS, DATA_WESTUS, INTERNET, LOGIN_EASTUS, LOGIN_WESTUS, REPLICAS, STORAGE,
        },
        netns::Netns,
        network::Network,
    },
};

/// A request that a front end answered.
#[derive(Clone, Debug, Deserialize)]
pub struct Request {
    /// The address that the client connected to.
    pub address: IpAddr,
    /// The server name in the client's TLS handshake; empty without one.
    pub sni: String,
    /// The host in the request.
    pub host: String,
    /// `GET`, `PUT`, …
    pub method: String,
    /// Path and query.
    pub uri: String,
    /// The response's HTTP status.
    pub status: u16,
    /// Bytes of the response's body.
    pub bytes: u64,
}

/// The running web server.
#[derive(Debug)]
pub struct Nginx {
    server: Server,
    cloud: Netns,
    access_log: PathBuf,
    serving: PathBuf,
}

impl Nginx {
    /// Starts the web server in the cloud.
    ///
    /// # Errors
    /// When the configuration cannot be written or the server cannot be started.
    pub fn start(
        cache: &ToolCache,
        network: &Network,
        tls: &Certificates,
        scratch: &ScratchDir,
    ) -> Result<Self> {
        let dir = scratch.dir("nginx")?;
        let serving = scratch.dir("nginx/serving")?;
        let conf = scratch.file("nginx/nginx.conf", conf(tls, &serving))?;
        let mut command = cache.debian(&network.cloud_env(), "usr/sbin/nginx");
        command
            .arg("-p")
            .arg(&dir)
            .arg("-c")
            .arg(conf)
            .args(["-e", "stderr"]);
        Ok(Self {
            server: Server::start("nginx", command, scratch.path())?,
            cloud: network.cloud().clone(),
            access_log: dir.join("access.log"),
            serving,
        })
    }

    /// Waits until it accepts connections.
    ///
    /// # Errors
    /// When it ends or accepts none within 10 s.
    pub fn await_ready(&mut self) -> Result<()> {
        let cloud = &self.cloud;
        self.server.await_ready(Duration::from_secs(10), || {
            cloud
                .run(|| Ok(accepts(([127, 0, 0, 1], 443).into())))
                .unwrap_or(false)
        })
    }

    /// Makes login servers redirect clients to the data endpoint of `region`, one of [`REPLICAS`], or with `None` to that of their own region.
    ///
    /// # Errors
    /// When the switch files cannot be written.
    pub fn serve_from(&self, region: Option<&str>) -> Result<()> {
        // The new region first, so that there is a region at any time.
        if let Some(region) = region {
            fs::write(self.serving.join(region), "").context("switch a login server")?;
        }
        for entry in fs::read_dir(&self.serving).context("switch a login server")? {
            let entry = entry.context("switch a login server")?;
            if region.is_none_or(|region| entry.file_name() != region) {
                fs::remove_file(entry.path()).context("switch a login server")?;
            }
        }
        Ok(())
    }

    /// Returns all requests answered so far, oldest first.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn requests(&self) -> Result<Vec<Request>> {
        let log = fs::read_to_string(&self.access_log).context("read the web server's log")?;
        log.lines()
            .map(|line| serde_json::from_str(line).with_context(|| format!("a request: {line}")))
            .collect()
    }
}

/// Returns the configuration. The server stays a single process and root: the kernel clears the
/// parent-death signal when a process changes its user, and a killed master leaves its workers behind.
fn conf(tls: &Certificates, serving: &Path) -> String {
    let replicas = REPLICAS.map(|region| region.data);
    let of_replicas = REPLICAS.map(|region| geo(&region.data, region.name));
    format!(
        r#"
daemon off;
master_process off;
user root;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    log_format lab escape=json '{{"address":"$server_addr","sni":"$ssl_server_name","host":"$host",'
        '"method":"$request_method","uri":"$request_uri","status":$status,"bytes":$body_bytes_sent}}';
    access_log access.log lab;
    keepalive_requests 1000000;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    client_max_body_size 0;
    proxy_request_buffering off;
    proxy_http_version 1.1;
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-Proto https;

    geo $server_addr $role {{
        default none;
        {login} {data} {storage} {internet}
    }}
    geo $server_addr $region {{
        default none;
        {eastus} {westus} {replicas}
    }}
    map $tenant $backend {{ contoso {CONTOSO}; default {OTHERS}; }}

{token_registries}
{login_server}{data_server}{storage_server}{internet_server}}}
"#,
        login = geo([LOGIN_EASTUS, LOGIN_WESTUS].as_flattened(), "login"),
        data = geo(
            [&[DATA_EASTUS, DATA_WESTUS], replicas.as_slice()]
                .concat()
                .as_flattened(),
            "data"
        ),
        replicas = of_replicas.join(" "),
        storage = geo(&STORAGE, "storage"),
        internet = geo(&INTERNET, "internet"),
        eastus = geo([LOGIN_EASTUS, DATA_EASTUS].as_flattened(), "eastus"),
        westus = geo([LOGIN_WESTUS, DATA_WESTUS].as_flattened(), "westus"),
        login_server = login_server(&tls.registry, serving),
        data_server = data_server(&tls.registry),
        storage_server = storage_server(&tls.storage),
        internet_server = internet_server(&tls.internet),
        token_registries = token_registries(&tls.registry),
    )
}

fn geo(prefixes: &[&str], value: &str) -> String {
    prefixes
        .iter()
        .map(|prefix| format!("{prefix} {value};"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns the server of login servers. It redirects requests for blobs to the data endpoint of the region that serves the request: that of
/// the address, or the one of [`Nginx::serve_from`]. As the default server it also takes handshakes without a known name, as a front end with
/// a wildcard certificate does.
fn login_server(leaf: &Leaf, serving: &Path) -> String {
    let switches = REPLICAS.map(|region| {
        let file = serving.join(region.name);
        format!(
            "if (-f {}) {{ set $served {}; }}\n",
            file.display(),
            region.name
        )
    });
    let body = format!(
        "\
        location ~ ^/v2/(?<repo>.+)/blobs/(?<digest>sha256:[0-9a-f]+)$ {{
            set $served $region;
            {}
            if ($request_method = GET) {{
                return 307 https://$tenant.$served.data.azurecr.io/?h=$host&r=$repo&d=$digest&v=1&l=false;
            }}
            proxy_pass http://$backend;
        }}
        location / {{ proxy_pass http://$backend; }}
",
        switches.concat()
    );
    server(
        "login",
        true,
        r"~^(registry\.)?(?<tenant>[a-z0-9]+)(\.[a-z0-9]+\.geo)?\.(azurecr\.io|com)$",
        leaf,
        &body,
    )
}

fn data_server(leaf: &Leaf) -> String {
    let body = "location / {\n\
                limit_except GET { deny all; }\n\
                proxy_pass http://$backend/v2/$arg_r/blobs/$arg_d;\n}\n";
    server(
        "data",
        false,
        r"~^(?<tenant>[a-z0-9]+)\.[a-z0-9]+\.data\.azurecr\.io$",
        leaf,
        body,
    )
}

fn storage_server(leaf: &Leaf) -> String {
    let body = format!("location / {{ proxy_pass http://{AZURITE}; }}\n");
    let accounts = r"~^[a-z0-9]+\.(blob\.core\.windows|z12\.blob\.storage\.azure)\.net$";
    server("storage", false, accounts, leaf, &body)
}

fn internet_server(leaf: &Leaf) -> String {
    server(
        "internet",
        false,
        "www.example.org",
        leaf,
        "location / { return 200 'hello\\n'; }\n",
    )
}

/// The key exchange groups. A client without a key share of one of them gets a HelloRetryRequest.
const GROUPS: &str = "X25519:prime256v1:secp384r1";

/// Returns the server blocks of the registries that require tokens, and the maps that they use.
fn token_registries(leaf: &Leaf) -> String {
    let (maps, bodies) = token_registry::conf();
    let servers = bodies.map(|(login, body)| server("login", false, login, leaf, &body));
    maps + &servers.concat()
}

/// Returns a server block that answers 421 to requests for another kind of endpoint.
fn server(role: &str, is_default: bool, names: &str, leaf: &Leaf, body: &str) -> String {
    let default = if is_default { " default_server" } else { "" };
    format!(
        "server {{\nlisten 443 ssl{default};\nlisten [::]:443 ssl{default};\nserver_name \"{names}\";\n\
         ssl_certificate {};\nssl_certificate_key {};\n\
         ssl_protocols TLSv1.2 TLSv1.3;\nssl_ecdh_curve {GROUPS};\n\
         if ($role != {role}) {{ return 421; }}\n{body}}}\n",
        leaf.cert.display(),
        leaf.key.display(),
    )
}
