//! Settings: from a file, then the environment, then the command line. An unknown key refuses the start.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use zeroid_core::{DEFAULT_TTL_SECONDS, DELEGATED_TTL_SECONDS, Inspection};
use zeroid_fetch::Allowed;
use zeroid_identity_model::TrustDomain;
use zeroid_jose::Secret;
use zeroid_token_core::{Profile, TokenTyp};

use crate::limits::RateLimits;
use crate::proxies::TrustedProxies;

mod urls;
mod values;

use urls::{check_issuer, public_urls};

pub use crate::database::Database;
pub use crate::signing::{Pin, Pkcs11Settings, SigningSettings};
pub use values::Values;

/// Shortest operator key, in characters: one that is generated has 50.
pub const MIN_OPERATOR_KEY_CHARS: usize = 32;

/// Most connections at a time unless told otherwise.
pub const DEFAULT_MAX_CONNECTIONS: usize = 4096;

/// Every key of the file; the environment has them in upper case after `ZEROID_`.
pub const KEYS: [&str; 33] = [
    "admin_prefix",
    "always_verify_signatures",
    "credential_retention_days",
    "data_dir",
    "database_url",
    "delegated_ttl_seconds",
    "dpop_nonce_required",
    "fetch_allow",
    "introspection",
    "issuer",
    "listen",
    "log_level",
    "master_key",
    "master_key_command",
    "master_key_file",
    "max_connections",
    "operator_key",
    "pkcs11_module",
    "pkcs11_pin",
    "pkcs11_pin_file",
    "pkcs11_token",
    "port",
    "public_urls",
    "rate_limit_address",
    "rate_limit_credential",
    "registration",
    "signing_algorithm",
    "signing_keys",
    "token_profile",
    "token_ttl_seconds",
    "token_typ",
    "trusted_proxies",
    "wimse_domain",
];

const SECRET_KEYS: [&str; 2] = ["master_key", "operator_key"];

/// What a deployment settles.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The issuer URL; in `dev` the address listened on when absent.
    pub issuer: Option<String>,
    /// The folder of the database and the master key.
    pub data_dir: PathBuf,
    /// The database.
    pub database: Database,
    /// The host of every SPIFFE ID.
    pub trust_domain: TrustDomain,
    /// Lifetime of root credentials in seconds.
    pub token_ttl_seconds: u32,
    /// Lifetime of delegated credentials in seconds.
    pub delegated_ttl_seconds: u32,
    /// How chains are told.
    pub profile: Profile,
    /// The kind of token issued.
    pub token_typ: TokenTyp,
    /// Who may introspect and revoke tokens.
    pub inspection: Inspection,
    /// The log filter.
    pub log_level: String,
    /// An operator key from the environment.
    pub operator_key: Option<Secret>,
    /// The master key itself.
    pub master_key: Option<Secret>,
    /// A shell command that prints the master key.
    pub master_key_command: Option<String>,
    /// The file with the master key.
    pub master_key_file: Option<PathBuf>,
    /// How tokens are signed.
    pub signing: SigningSettings,
    /// What may be fetched from although it is not on the internet.
    pub fetch_allow: Allowed,
    /// Where the administrative routes are served besides the root.
    pub admin_prefix: String,
    /// The addresses this server is reached under.
    pub public_urls: Vec<String>,
    /// Whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: TrustedProxies,
    /// Most connections at a time.
    pub max_connections: usize,
    /// Check signatures of our own tokens although the recorded digest would do.
    pub always_verify_signatures: bool,
    /// How many days a credential is kept after its end.
    pub credential_retention_days: u32,
    /// Take a DPoP proof only with a nonce of ours.
    pub dpop_nonce_required: bool,
    /// How often one caller may ask.
    pub rate_limits: RateLimits,
}

/// Why settings are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

impl SettingsError {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl Settings {
    /// Understand the values.
    ///
    /// # Errors
    /// [`SettingsError`] names the key and what is wrong with it.
    pub fn of(values: &Values, dev: bool) -> Result<Self, SettingsError> {
        let refuse = |why: String| Err(SettingsError(why));
        let port: Option<u16> = values.parsed("port")?;
        let listen: SocketAddr = values.parsed("listen")?.unwrap_or(([127, 0, 0, 1], 8899).into());
        let listen = port.filter(|_| values.take("listen").is_none()).map_or(listen, |port| {
            // Inside a container the port is published; on a laptop only loopback is.
            let host = if dev { [127, 0, 0, 1] } else { [0, 0, 0, 0] };
            (host, port).into()
        });
        let data_dir = PathBuf::from(values.take("data_dir").unwrap_or("./zeroid-data"));
        let database = match values.take("database_url") {
            None => Database::Sqlite(data_dir.join("zeroid.db")),
            Some(url) => Database::of(url).map_err(SettingsError)?,
        };
        let issuer = values.take("issuer").map(str::to_owned);
        if let Some(issuer) = &issuer {
            check_issuer(issuer, dev)?;
        } else if !dev {
            return refuse("issuer is required: the URL under which clients reach this server".to_owned());
        }
        let trust_domain: Option<TrustDomain> = values.parsed("wimse_domain")?;
        let trust_domain = match trust_domain {
            Some(domain) => domain,
            None if dev => "zeroid.local".parse().map_err(|_| SettingsError("wimse_domain".to_owned()))?,
            None => {
                return refuse("wimse_domain is required: the trust domain of every SPIFFE ID".to_owned());
            }
        };
        only(values, "registration", "closed", "clients are registered by administrators alone")?;
        let operator_key = values.take("operator_key");
        if operator_key.is_some_and(|key| key.chars().count() < MIN_OPERATOR_KEY_CHARS) {
            return refuse(format!("operator_key must have at least {MIN_OPERATOR_KEY_CHARS} characters"));
        }
        let max_connections = values.parsed("max_connections")?.unwrap_or(DEFAULT_MAX_CONNECTIONS);
        if max_connections == 0 {
            return refuse("max_connections must be at least 1".to_owned());
        }
        let profile = match values.take("token_profile") {
            None | Some("zeroid") => Profile::Zeroid,
            Some("rfc8693") => Profile::Rfc8693,
            Some(_) => return refuse("token_profile must be zeroid or rfc8693".to_owned()),
        };
        let inspection = match values.take("introspection") {
            None | Some("possession") => Inspection::Possession,
            Some("required") => Inspection::Required,
            Some(_) => return refuse("introspection must be possession or required".to_owned()),
        };
        let token_typ = match values.take("token_typ") {
            None | Some("at+jwt") => TokenTyp::AccessToken,
            Some("JWT") => TokenTyp::JwtSvid,
            Some(_) => return refuse("token_typ must be at+jwt or JWT".to_owned()),
        };
        let public_urls = public_urls(values.take("public_urls").unwrap_or_default())?;
        Ok(Self {
            listen,
            issuer,
            data_dir,
            database,
            trust_domain,
            token_ttl_seconds: values.seconds("token_ttl_seconds", DEFAULT_TTL_SECONDS)?,
            delegated_ttl_seconds: values.seconds("delegated_ttl_seconds", DELEGATED_TTL_SECONDS)?,
            profile,
            token_typ,
            inspection,
            log_level: values.take("log_level").unwrap_or("info").to_owned(),
            operator_key: operator_key.map(Secret::new),
            master_key: values.take("master_key").map(Secret::new),
            master_key_command: values.take("master_key_command").map(str::to_owned),
            master_key_file: values.take("master_key_file").map(PathBuf::from),
            signing: SigningSettings::of(values)?,
            fetch_allow: values.parsed("fetch_allow")?.unwrap_or_default(),
            admin_prefix: admin_prefix(values.0.get("admin_prefix").map(|prefix| prefix.trim()))?,
            public_urls,
            trusted_proxies: values.parsed("trusted_proxies")?.unwrap_or_default(),
            max_connections,
            always_verify_signatures: values.parsed("always_verify_signatures")?.unwrap_or(false),
            credential_retention_days: values.retention()?,
            dpop_nonce_required: values.parsed("dpop_nonce_required")?.unwrap_or(false),
            rate_limits: RateLimits::of(values, dev)?,
        })
    }

    /// The settings as `check-config` shows them: no secret among them.
    pub fn shown(&self) -> String {
        let mut text = String::new();
        let mut line = |key: &str, value: &str| {
            let _ = writeln!(text, "{key} = {value}");
        };
        line("listen", &self.listen.to_string());
        line("issuer", self.issuer.as_deref().unwrap_or("(the address listened on)"));
        line("data_dir", &self.data_dir.display().to_string());
        line("database_url", &self.database.to_string());
        line("wimse_domain", self.trust_domain.as_str());
        line("token_ttl_seconds", &self.token_ttl_seconds.to_string());
        line("delegated_ttl_seconds", &self.delegated_ttl_seconds.to_string());
        line("token_profile", self.profile.as_str());
        line("token_typ", self.token_typ.as_str());
        line("introspection", self.inspection.as_str());
        line("always_verify_signatures", &self.always_verify_signatures.to_string());
        line("credential_retention_days", &self.credential_retention_days.to_string());
        line("dpop_nonce_required", &self.dpop_nonce_required.to_string());
        self.rate_limits.shown(&mut line);
        self.signing.shown(&mut line);
        line("fetch_allow", &self.fetch_allow.to_string());
        line("admin_prefix", &self.admin_prefix);
        line("public_urls", &self.public_urls.join(","));
        line("trusted_proxies", &self.trusted_proxies.shown());
        line("max_connections", &self.max_connections.to_string());
        line("log_level", &self.log_level);
        for (key, is_set) in SECRET_KEYS.iter().zip([self.master_key.is_some(), self.operator_key.is_some()])
        {
            line(key, if is_set { "(set)" } else { "(not set)" });
        }
        if let Some(command) = &self.master_key_command {
            line("master_key_command", command);
        }
        if let Some(path) = &self.master_key_file {
            line("master_key_file", &path.display().to_string());
        }
        text
    }
}

fn only(values: &Values, key: &str, taken: &str, why: &str) -> Result<(), SettingsError> {
    match values.take(key) {
        Some(given) if given != taken => Err(SettingsError(format!("{key} must be {taken}: {why}"))),
        _ => Ok(()),
    }
}

fn admin_prefix(given: Option<&str>) -> Result<String, SettingsError> {
    let prefix = given.unwrap_or("/api/v1").trim_end_matches('/');
    let plain =
        prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.'));
    if prefix.is_empty() || (prefix.starts_with('/') && plain && !prefix.contains("//")) {
        Ok(prefix.to_owned())
    } else {
        Err(SettingsError("admin_prefix must be empty or a path such as /api/v1".to_owned()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(file: &str, dev: bool) -> Result<Settings, SettingsError> {
        let mut values = Values::default();
        values.add_file(file)?;
        Settings::of(&values, dev)
    }

    fn refused(file: &str, why: &str) {
        let error = of(file, false).unwrap_err();
        assert!(error.0.contains(why), "{file}: {}", error.0);
    }

    const GOOD: &str = "issuer = 'https://id.example'\nwimse_domain = 'id.example'\n";

    #[test]
    fn unsafe_and_unknown_settings_are_refused_with_the_reason() {
        assert!(of(GOOD, false).is_ok());
        assert!(of("", true).is_ok());
        refused("", "issuer is required");
        refused("issuer = 'https://id.example'", "wimse_domain is required");
        refused("isuer = 'x'", "`isuer` is not a setting");
        refused("issuer = 'http://id.example'\nwimse_domain='a'", "must be https");
        refused("issuer = 'https://id.example/'\nwimse_domain='a'", "final slash");
        refused(&format!("{GOOD}operator_key = 'short'"), "at least 32");
        refused(&format!("{GOOD}introspection = 'nobody'"), "introspection must be possession or required");
        assert_eq!(
            of(&format!("{GOOD}introspection = 'required'"), false).unwrap().inspection,
            Inspection::Required
        );
        refused(&format!("{GOOD}registration = 'open'"), "registration must be closed");
        refused(&format!("{GOOD}database_url = 'mysql://x'"), "sqlite://PATH or postgresql://");
        refused(
            &format!("{GOOD}database_url = 'postgresql://db.example/zeroid'"),
            "add `sslmode=verify-full",
        );
        refused(&format!("{GOOD}fetch_allow = ['10.0.0.0/8']"), "fetch_allow: `10.0.0.0/8` is not host:port");
        refused(&format!("{GOOD}token_ttl_seconds = 0"), "token_ttl_seconds must be");
        refused(
            &format!("{GOOD}credential_retention_days = 0"),
            "credential_retention_days must be 1 to 3650",
        );
        refused(&format!("{GOOD}token_profile = 'x'"), "token_profile");
        refused(&format!("{GOOD}public_urls = 'id.example'"), "public_urls: `id.example` must be a URL");
        refused(&format!("{GOOD}trusted_proxies = 'nginx'"), "trusted_proxies: must be addresses");
        refused(&format!("{GOOD}dpop_nonce_required = 'yes'"), "dpop_nonce_required: ");
        for wrong in ["on", "0", "1/0", "10/", "/10", "1/2/3", "-1", "1000001"] {
            refused(&format!("{GOOD}rate_limit_address = '{wrong}'"), "rate_limit_address must be off, or");
        }
        refused(&format!("{GOOD}admin_prefix = 'x y'"), "admin_prefix");
        refused(&format!("{GOOD}signing_algorithm = 'HS256'"), "known are ES256, RS256 and EdDSA");
        refused(&format!("{GOOD}signing_keys = 'cloud'"), "signing_keys must be");
        refused(&format!("{GOOD}signing_keys = 'pkcs11'"), "pkcs11_module is not set");
        refused(&format!("{GOOD}pkcs11_pin = '1234'"), "pkcs11_pin is set");
        refused(&format!("{GOOD}pkcs11_module = 'm.so'"), "pkcs11_token is required");
        let token = format!("{GOOD}pkcs11_module = 'm.so'\npkcs11_token = 't'\n");
        refused(&token, "pkcs11_pin or pkcs11_pin_file is required");
        refused(&format!("{token}pkcs11_pin = '1'\npkcs11_pin_file = 'f'"), "exclude each other");
    }

    #[test]
    fn the_environment_wins_and_misspellings_are_refused() {
        let env = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let values = Values::read(None, env("ZEROID_PORT", "9000")).unwrap();
        assert_eq!(Settings::of(&values, true).unwrap().listen.to_string(), "127.0.0.1:9000");
        assert!(Values::read(None, env("ZEROID_PROT", "9000")).is_err());
        assert!(Values::read(None, env("HOME", "x")).is_ok());
    }

    #[test]
    fn production_has_rate_limits_and_a_laptop_has_none() {
        let shown = |file: &str, dev| of(file, dev).unwrap().shown();
        assert!(
            shown(GOOD, false).contains("rate_limit_address = 1000/5000\nrate_limit_credential = 200/1000\n")
        );
        assert!(shown("", true).contains("rate_limit_address = off\nrate_limit_credential = off\n"));
        assert!(shown("rate_limit_address = 5", true).contains("rate_limit_address = 5/5\n"));
        assert!(
            shown(&format!("{GOOD}rate_limit_credential = 'off'"), false)
                .contains("rate_limit_credential = off\n")
        );
    }

    #[test]
    fn no_secret_is_shown() {
        let secret = "0123456789abcdef0123456789abcdef";
        let settings =
            of(&format!("{GOOD}operator_key = '{secret}'\nmaster_key = '{secret}'\ndatabase_url = 'postgresql://me:{secret}@db.example/zeroid?sslmode=verify-full&password={secret}'"), false).unwrap();
        assert!(settings.shown().contains("database_url = postgresql://db.example/zeroid\n"));
        assert!(!settings.shown().contains(secret));
        let pkcs11 = format!("{GOOD}pkcs11_module = 'm.so'\npkcs11_token = 't'\npkcs11_pin = '{secret}'");
        let settings = of(&pkcs11, false).unwrap();
        assert!(
            settings.shown().contains(
                "signing_keys = pkcs11\npkcs11_module = m.so\npkcs11_token = t\npkcs11_pin = (set)\n"
            )
        );
        assert!(!settings.shown().contains(secret));
        assert!(!format!("{settings:?}").contains(secret));
    }
}
