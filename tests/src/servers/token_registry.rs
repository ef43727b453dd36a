//! Registries with token authentication, as every registry of the service has it: a challenge for each request without a token, and tokens
//! from the login server. Their content is that of the registry of all other customers.

use crate::servers::registry::OTHERS;

/// The login server of a registry with dedicated data endpoints, which only [`USER`] may pull from.
pub const DEDICATED_LOGIN: &str = "fabrikam.azurecr.io";
/// The login server of a registry without dedicated data endpoints, with anonymous pull.
pub const SHARED_LOGIN: &str = "northwind.azurecr.io";
/// The storage account to which [`SHARED_LOGIN`] redirects its clients, with a signature.
pub const SHARED_ACCOUNT: &str = "eusreplstore28.blob.core.windows.net";
/// The user of [`DEDICATED_LOGIN`].
pub const USER: &str = "puller";
/// The password of [`USER`].
pub const PASSWORD: &str = "not-a-secret-of-anybody";

/// [`USER`] and [`PASSWORD`] in the encoding of RFC 7617.
const BASIC: &str = "cHVsbGVyOm5vdC1hLXNlY3JldC1vZi1hbnlib2R5";
/// The token that both registries accept.
const TOKEN: &str = "a-token.of-the.lab";

/// Returns maps for the web server's configuration, and the contents of each registry's server block. Regular expressions match the
/// values, which are too long for the default bucket size of maps.
pub(crate) fn conf() -> (String, [(&'static str, String); 2]) {
    let dedicated = "https://fabrikam.$region.data.azurecr.io/?h=$host&r=$repo&d=$digest&v=1&l=false&s=a-signature";
    let shared = format!(
        "https://{SHARED_ACCOUNT}/x//docker/registry/v2/blobs/$digest/data?sp=r&sr=b&sig=a-signature"
    );
    let maps = format!(
        "map $http_authorization $challenge {{\n\
         \"~^Bearer {TOKEN}$\" \"\";\n\
         default 'Bearer realm=\"https://$host/oauth2/token\",service=\"$host\"';\n}}\n\
         map \"$host $http_authorization\" $known {{\n\
         \"~^{DEDICATED_LOGIN} Basic {BASIC}$\" yes;\n\
         \"~^{SHARED_LOGIN} $\" yes;\n\
         default no;\n}}\n\
         map \"$known $arg_service $arg_scope\" $granted {{\n\
         \"~^yes {DEDICATED_LOGIN} repository:app:pull$\" yes;\n\
         \"~^yes {SHARED_LOGIN} repository:app:pull$\" yes;\n\
         default no;\n}}\n"
    );
    let bodies = [
        (DEDICATED_LOGIN, body(dedicated)),
        (SHARED_LOGIN, body(&shared)),
    ];
    (maps, bodies)
}

/// Returns the locations of a registry that redirects requests for blobs to `blobs`.
fn body(blobs: &str) -> String {
    let unauthorized = "return 401 '{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\",\"detail\":null}]}';";
    format!(
        "default_type application/json;\n\
         location = /oauth2/token {{\n\
         if ($granted = no) {{ {unauthorized} }}\n\
         return 200 '{{\"access_token\":\"{TOKEN}\"}}';\n}}\n\
         location ~ ^/v2/(?<repo>.+)/blobs/(?<digest>sha256:[0-9a-f]+)$ {{\n\
         add_header Www-Authenticate $challenge always;\n\
         if ($challenge) {{ {unauthorized} }}\n\
         return 307 {blobs};\n}}\n\
         location / {{\n\
         add_header Www-Authenticate $challenge always;\n\
         if ($challenge) {{ {unauthorized} }}\n\
         proxy_set_header Authorization \"\";\n\
         proxy_set_header Host $host;\n\
         proxy_pass http://{OTHERS};\n}}\n"
    )
}
