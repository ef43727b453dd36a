//! The Azure clouds and their name suffixes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::Name;

/// An Azure cloud: each has its own name suffixes and service tags.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Cloud {
    /// The public cloud: registries in azurecr.io.
    #[default]
    Public,
    /// Azure Government (United States): registries in azurecr.us.
    UsGovernment,
    /// Azure operated by 21Vianet in China: registries in azurecr.cn.
    China,
}

/// The purpose of a registry's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum EndpointKind {
    /// `contoso.azurecr.io`: authentication, manifests and every push.
    LoginServer,
    /// `contoso.<region>.data.azurecr.io`: layers of one replica.
    Data,
    /// `contoso.<region>.geo.azurecr.io`: one replica's login server.
    Regional,
}

impl Cloud {
    /// Every cloud.
    pub const ALL: [Self; 3] = [Self::Public, Self::UsGovernment, Self::China];

    /// Returns the name as the configuration spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::UsGovernment => "us-government",
            Self::China => "china",
        }
    }

    /// Returns the suffix of login servers, without a leading dot (container-registry-endpoint-reference).
    pub const fn registry_suffix(self) -> &'static str {
        match self {
            Self::Public => "azurecr.io",
            Self::UsGovernment => "azurecr.us",
            Self::China => "azurecr.cn",
        }
    }

    /// Returns the suffixes of storage account names, for every service: the zone of all accounts, and the parent of the Azure DNS zones
    /// of the public cloud (`contoso.z12.blob.storage.azure.net`).
    pub const fn storage_suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Public => &["core.windows.net", "storage.azure.net"],
            Self::UsGovernment => &["core.usgovcloudapi.net"],
            Self::China => &["core.chinacloudapi.cn"],
        }
    }

    /// Returns whether `name` is in a zone of storage accounts.
    pub fn is_storage(self, name: &Name) -> bool {
        let mut suffixes = self.storage_suffixes().iter();
        suffixes.any(|suffix| name.is_within(suffix))
    }

    /// Returns the host of Azure Resource Manager.
    pub const fn manager_host(self) -> &'static str {
        match self {
            Self::Public => "management.azure.com",
            Self::UsGovernment => "management.usgovcloudapi.net",
            Self::China => "management.chinacloudapi.cn",
        }
    }

    /// Returns the host of Microsoft Entra ID that issues tokens.
    pub const fn login_host(self) -> &'static str {
        match self {
            Self::Public => "login.microsoftonline.com",
            Self::UsGovernment => "login.microsoftonline.us",
            Self::China => "login.chinacloudapi.cn",
        }
    }

    /// Returns the value of `cloud` in the published service-tags file.
    pub const fn service_tags_name(self) -> &'static str {
        match self {
            Self::Public => "Public",
            Self::UsGovernment => "AzureGovernment",
            Self::China => "China",
        }
    }

    /// Returns the page that links the published service-tags file (service-tags-overview).
    pub const fn service_tags_page(self) -> &'static str {
        match self {
            Self::Public => "https://www.microsoft.com/en-us/download/details.aspx?id=56519",
            Self::UsGovernment => "https://www.microsoft.com/en-us/download/details.aspx?id=57063",
            Self::China => "https://www.microsoft.com/en-us/download/details.aspx?id=57062",
        }
    }

    /// Returns the cloud whose published service-tags file contains `cloud = name`.
    pub fn from_service_tags_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|cloud| cloud.service_tags_name() == name)
    }

    /// Returns the cloud of a login server, by its suffix.
    pub fn of_login_server(name: &Name) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|cloud| cloud.login_label(name).is_some())
    }

    /// Returns the login server of the registry that `name` belongs to, and the purpose of the name; `None` if it is not a registry's.
    pub fn registry_of(name: &Name) -> Option<(Name, EndpointKind)> {
        let mut clouds = Self::ALL.into_iter();
        let cloud = clouds.find(|cloud| name.is_within(cloud.registry_suffix()))?;
        let label = name.labels().next()?;
        let login: Name = format!("{label}.{}", cloud.registry_suffix())
            .parse()
            .ok()?;
        let kind = cloud.endpoint_kind(&login, name)?;
        Some((login, kind))
    }

    /// Returns the one label before this cloud's registry suffix: `contoso` of `contoso.azurecr.io`.
    /// `None` if the name is not a login server of this cloud.
    pub fn login_label(self, name: &Name) -> Option<&str> {
        let label = name
            .as_str()
            .strip_suffix(self.registry_suffix())?
            .strip_suffix('.')?;
        (!label.contains('.')).then_some(label)
    }

    /// Returns whether the data endpoint names of this login server can be built from regions. A registry's name is alphanumeric, so a
    /// hyphen means that the login server contains a domain name label hash, and only Azure knows its endpoints.
    pub fn builds_endpoints(self, login_server: &Name) -> bool {
        self.login_label(login_server)
            .is_some_and(|label| !label.contains('-'))
    }

    /// Returns the purpose of `name` for the registry behind `login_server`; `None` if it is not a name of that registry.
    pub fn endpoint_kind(self, login_server: &Name, name: &Name) -> Option<EndpointKind> {
        let registry = self.login_label(login_server)?;
        if name == login_server {
            return Some(EndpointKind::LoginServer);
        }
        let rest = name
            .as_str()
            .strip_suffix(self.registry_suffix())?
            .strip_suffix('.')?;
        let mut labels = rest.split('.');
        let kind = match labels.next_back()? {
            "data" => EndpointKind::Data,
            "geo" => EndpointKind::Regional,
            _ => return None,
        };
        let _region = labels.next_back()?;
        (labels.next_back()? == registry && labels.next_back().is_none()).then_some(kind)
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn login_server_is_one_label_before_the_cloud_suffix() {
        assert_eq!(
            Cloud::Public.login_label(&name("contoso.azurecr.io")),
            Some("contoso")
        );
        for other in [
            "azurecr.io",
            "a.b.azurecr.io",
            "contosoazurecr.io",
            "contoso.azurecr.us",
        ] {
            assert_eq!(Cloud::Public.login_label(&name(other)), None, "{other}");
        }
        assert_eq!(
            Cloud::of_login_server(&name("contoso.azurecr.us")),
            Some(Cloud::UsGovernment)
        );
        assert_eq!(
            Cloud::of_login_server(&name("contoso.azurecr.cn")),
            Some(Cloud::China)
        );
        assert_eq!(Cloud::of_login_server(&name("contoso.azurecr.de")), None);
    }

    #[test]
    fn endpoints_of_a_hashed_login_server_are_not_built() {
        let cloud = Cloud::Public;
        assert!(cloud.builds_endpoints(&name("contoso.azurecr.io")));
        assert!(!cloud.builds_endpoints(&name("contoso-e7ggejfuhzhgedc8.azurecr.io")));
        assert!(!cloud.builds_endpoints(&name("contoso.azurecr.us")));
    }

    #[test]
    fn endpoints_belong_to_the_same_registry() {
        let kind = |text| Cloud::Public.endpoint_kind(&name("contoso.azurecr.io"), &name(text));
        assert_eq!(kind("contoso.azurecr.io"), Some(EndpointKind::LoginServer));
        assert_eq!(
            kind("contoso.eastus.data.azurecr.io"),
            Some(EndpointKind::Data)
        );
        assert_eq!(
            kind("contoso.eastus.geo.azurecr.io"),
            Some(EndpointKind::Regional)
        );
        for foreign in [
            "evil.azurecr.io",
            "evil.eastus.data.azurecr.io",
            "evil.contoso.eastus.data.azurecr.io",
            "contoso.data.azurecr.io",
            "contoso.eastus.azurecr.io",
            "contoso.eastus.other.azurecr.io",
            "contoso.eastus.data.azurecr.us",
            "contoso.eastus.data.evilazurecr.io",
            "contoso.blob.core.windows.net",
        ] {
            assert_eq!(kind(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn storage_accounts_are_in_the_zones_of_their_cloud() {
        for account in [
            "logs.blob.core.windows.net",
            "logs.dfs.core.windows.net",
            "logs.z12.blob.storage.azure.net",
            "logs.z00.web.storage.azure.net",
        ] {
            assert!(Cloud::Public.is_storage(&name(account)), "{account}");
            assert!(!Cloud::China.is_storage(&name(account)), "{account}");
        }
        for other in [
            "storage.azure.com",
            "logs.evilstorage.azure.net",
            "azure.net",
        ] {
            assert!(!Cloud::Public.is_storage(&name(other)), "{other}");
        }
        assert!(Cloud::UsGovernment.is_storage(&name("logs.blob.core.usgovcloudapi.net")));
        assert!(Cloud::China.is_storage(&name("logs.blob.core.chinacloudapi.cn")));
    }

    #[test]
    fn manager_and_login_hosts_are_valid_names() {
        for cloud in Cloud::ALL {
            for host in [cloud.manager_host(), cloud.login_host()] {
                assert_eq!(name(host).as_str(), host);
            }
        }
    }

    #[test]
    fn cloud_names_are_those_that_serde_parses() {
        for cloud in Cloud::ALL {
            let json = serde_json::to_string(cloud.name()).unwrap();
            assert_eq!(serde_json::from_str::<Cloud>(&json).unwrap(), cloud);
            assert_eq!(
                Cloud::from_service_tags_name(cloud.service_tags_name()),
                Some(cloud)
            );
        }
    }
}
