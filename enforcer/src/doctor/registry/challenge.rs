//! Bearer challenges in `WWW-Authenticate` (RFC 9110 section 11.6.1, RFC 6750 section 3).

use crate::https::Url;
use crate::name::Name;

/// A Bearer challenge, which names the token server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bearer {
    realm: String,
    service: Option<String>,
}

impl Bearer {
    /// Parses the first Bearer challenge in a value of `WWW-Authenticate`.
    pub(super) fn find(value: &str) -> Option<Self> {
        let mut rest = value;
        let mut found: Option<Self> = None;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            let (word, after) = token(rest);
            if word.is_empty() {
                return found;
            }
            let Some(after) = after.trim_start().strip_prefix('=') else {
                if found.is_some() {
                    return found;
                }
                found = word.eq_ignore_ascii_case("bearer").then(Self::default);
                rest = after;
                continue;
            };
            let (text, after) = text(after.trim_start())?;
            rest = after;
            if let Some(bearer) = &mut found {
                match word.to_ascii_lowercase().as_str() {
                    "realm" => bearer.realm = text,
                    "service" => bearer.service = Some(text),
                    _ => {}
                }
            }
        }
    }

    /// Returns the URL of a token for pulling from `repository`. Credentials are sent there, so it must be on `login` itself.
    ///
    /// # Errors
    /// If it is on another host.
    pub(super) fn token_url(&self, login: &Name, repository: &str) -> Result<Url, String> {
        let elsewhere = |why: &str| format!("the token server is {why}, which is not followed");
        let realm: Url = self
            .realm
            .parse()
            .map_err(|_invalid| elsewhere("no https URL"))?;
        if !is_at(&realm, login) {
            return Err(elsewhere(&format!("not {login}")));
        }
        let path = realm.path_and_query();
        let separator = if path.contains('?') { '&' } else { '?' };
        let service = self.service.as_deref().unwrap_or(login.as_str());
        format!(
            "https://{login}{path}{separator}service={}&scope=repository:{}:pull",
            encoded(service),
            encoded(repository)
        )
        .parse()
        .map_err(|_invalid| elsewhere("no https URL"))
    }
}

/// Whether `url` is on `host` and on port 443, the port that is allowed for registries.
fn is_at(url: &Url, host: &Name) -> bool {
    url.name() == Some(host) && url.port() == 443
}

/// Splits off the token (RFC 9110 section 5.6.2) at the start.
fn token(text: &str) -> (&str, &str) {
    let end = text
        .find(|letter: char| !letter.is_ascii_graphic() || "\"(),/:;<=>?@[\\]{}".contains(letter));
    text.split_at(end.unwrap_or(text.len()))
}

/// Splits off the token or quoted string at the start; `None` if the quoted string does not end.
fn text(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(letters.next()?.1),
            _ => value.push(letter),
        }
    }
    None
}

/// Percent-encodes `text` for the query of a URL (RFC 3986 section 3.4).
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACR: &str =
        r#"Bearer realm="https://contoso.azurecr.io/oauth2/token",service="contoso.azurecr.io""#;

    fn login() -> Name {
        "contoso.azurecr.io".parse().unwrap()
    }

    fn token_url_of(value: &str) -> Result<String, String> {
        let login = login();
        let bearer = Bearer::find(value).unwrap_or_default();
        bearer.token_url(&login, "team/app").map(|url| {
            assert_eq!(url.name(), Some(&login));
            url.path_and_query().to_owned()
        })
    }

    #[test]
    fn the_token_url_comes_from_the_challenge() {
        let expected = "/oauth2/token?service=contoso.azurecr.io&scope=repository:team/app:pull";
        for value in [
            ACR,
            &format!("{ACR},scope=\"repository:x:pull\",error=\"invalid_token\""),
            &format!("Basic realm=\"a, b\", {ACR}"),
            &format!("{ACR}, Basic realm=\"https://evil.example/\""),
            &ACR.replace("Bearer", "BEARER").replace("realm", "Realm"),
            &ACR.replace("https://contoso", "https:\\/\\/CONTOSO"),
            &ACR.replace(".io/oauth2", ".io:443/oauth2"),
        ] {
            assert_eq!(token_url_of(value).as_deref(), Ok(expected), "{value}");
        }
    }

    #[test]
    fn credentials_are_sent_only_to_the_registry() {
        for realm in [
            "http://contoso.azurecr.io/oauth2/token",
            "https://evil.azurecr.io/oauth2/token",
            "https://contoso.azurecr.io.evil.example/",
            "https://contoso.azurecr.io@evil.example/",
            "https://user@contoso.azurecr.io/",
            "https://contoso.azurecr.io:8443/",
            "//contoso.azurecr.io/",
            "/oauth2/token",
            "",
        ] {
            let refused = token_url_of(&format!("Bearer realm=\"{realm}\"")).unwrap_err();
            assert!(refused.contains("not followed"), "{realm}: {refused}");
        }
    }

    #[test]
    fn other_challenges_are_ignored() {
        for value in [
            "",
            "Basic realm=\"x\"",
            "Bearerrealm=\"x\"",
            "Bearer realm=\"x",
            ",,,",
        ] {
            let found = Bearer::find(value);
            assert!(found.is_none(), "{value}: {found:?}");
        }
    }

    #[test]
    fn a_service_is_encoded() {
        let value = ACR.replace("service=\"contoso", "service=\"a&scope=b #");
        assert!(
            token_url_of(&value)
                .unwrap()
                .contains("service=a%26scope%3Db%20%23")
        );
    }
}
