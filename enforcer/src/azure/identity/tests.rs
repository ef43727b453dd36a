pub(super) const PRINCIPAL: &str = include_str!("test_principal.pem");
