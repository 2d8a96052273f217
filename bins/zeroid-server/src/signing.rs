//! The settings that say how tokens are signed, and what they stand for.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroid_core::Signing;
use zeroid_jose::{KeyPlace, Secret, Signer, SigningAlgorithm};
use zeroid_signer_pkcs11::{Pkcs11Options, Pkcs11Signer};

use crate::offload::Threads;
use crate::settings::{SettingsError, Values};

/// Threads that ask a module: a network HSM takes milliseconds to answer, and many questions at a time.
const MODULE_THREADS: usize = 16;

/// How tokens are signed.
#[derive(Clone, Debug)]
pub struct SigningSettings {
    /// The algorithm of new keys.
    pub algorithm: SigningAlgorithm,
    /// Where new keys are made.
    pub place: KeyPlace,
    /// The module that holds keys.
    pub pkcs11: Option<Pkcs11Settings>,
}

/// A PKCS#11 module.
#[derive(Clone, Debug)]
pub struct Pkcs11Settings {
    /// The path of the module.
    pub module: PathBuf,
    /// The label of the token.
    pub token: String,
    /// The PIN of the token's user.
    pub pin: Pin,
}

/// Where the PIN comes from.
#[derive(Clone, Debug)]
pub enum Pin {
    /// From the environment or the settings file.
    Given(Secret),
    /// From a file of its own.
    File(PathBuf),
}

impl SigningSettings {
    /// Understand the values.
    pub(crate) fn of(values: &Values) -> Result<Self, SettingsError> {
        let pkcs11 = Pkcs11Settings::of(values)?;
        let place = match (values.take("signing_keys"), &pkcs11) {
            (None, Some(_)) | (Some("pkcs11"), Some(_)) => KeyPlace::Elsewhere,
            (None, None) | (Some("local"), _) => KeyPlace::Here,
            (Some("pkcs11"), None) => {
                return Err(SettingsError::new("signing_keys is pkcs11, and pkcs11_module is not set"));
            }
            (Some(_), _) => return Err(SettingsError::new("signing_keys must be local or pkcs11")),
        };
        Ok(Self { algorithm: values.parsed("signing_algorithm")?.unwrap_or_default(), place, pkcs11 })
    }

    /// What `check-config` shows of them.
    pub(crate) fn shown(&self, mut line: impl FnMut(&str, &str)) {
        line("signing_algorithm", self.algorithm.as_str());
        line("signing_keys", if self.place == KeyPlace::Here { "local" } else { "pkcs11" });
        if let Some(Pkcs11Settings { module, token, pin }) = &self.pkcs11 {
            line("pkcs11_module", &module.display().to_string());
            line("pkcs11_token", token);
            match pin {
                Pin::Given(_) => line("pkcs11_pin", "(set)"),
                Pin::File(path) => line("pkcs11_pin_file", &path.display().to_string()),
            }
        }
    }

    /// Load the module, log in, and start the threads that sign.
    pub(crate) fn open(&self) -> Result<Signing, String> {
        let signer = match &self.pkcs11 {
            None => None,
            Some(settings) => {
                let opened = Pkcs11Signer::open(&settings.options()?).map_err(|error| error.to_string())?;
                Some(Arc::new(opened) as Arc<dyn Signer>)
            }
        };
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let count = if signer.is_some() { cores.max(MODULE_THREADS) } else { cores };
        let threads = Threads::start(count).map_err(|error| format!("no threads to sign with: {error}"))?;
        Ok(Signing { algorithm: self.algorithm, place: self.place, signer, offload: Arc::new(threads) })
    }
}

impl Pkcs11Settings {
    fn of(values: &Values) -> Result<Option<Self>, SettingsError> {
        let refuse = |why: &str| Err(SettingsError::new(why));
        let Some(module) = values.take("pkcs11_module") else {
            let without = ["pkcs11_token", "pkcs11_pin", "pkcs11_pin_file"];
            return match without.into_iter().find(|key| values.take(key).is_some()) {
                Some(key) => refuse(&format!("{key} is set, and pkcs11_module is not")),
                None => Ok(None),
            };
        };
        let Some(token) = values.take("pkcs11_token") else {
            return refuse("pkcs11_token is required: the label of the token in pkcs11_module");
        };
        let pin = match (values.take("pkcs11_pin"), values.take("pkcs11_pin_file")) {
            (Some(pin), None) => Pin::Given(Secret::new(pin)),
            (None, Some(path)) => Pin::File(PathBuf::from(path)),
            (None, None) => return refuse("pkcs11_pin or pkcs11_pin_file is required with pkcs11_module"),
            (Some(_), Some(_)) => return refuse("pkcs11_pin and pkcs11_pin_file exclude each other"),
        };
        Ok(Some(Self { module: PathBuf::from(module), token: token.to_owned(), pin }))
    }

    fn options(&self) -> Result<Pkcs11Options, String> {
        let pin = match &self.pin {
            Pin::Given(pin) => pin.clone(),
            Pin::File(path) => read_pin(path)?,
        };
        Ok(Pkcs11Options { module: self.module.clone(), token: self.token.clone(), pin })
    }
}

/// The first line of a file that only its owner may read.
fn read_pin(path: &Path) -> Result<Secret, String> {
    let at = |error: std::io::Error| format!("pkcs11_pin_file {}: {error}", path.display());
    let mode = std::fs::metadata(path).map_err(at)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(format!("pkcs11_pin_file {} can be read by others; run chmod 600 on it", path.display()));
    }
    let text = Secret::new(std::fs::read_to_string(path).map_err(at)?);
    match text.expose().lines().next().map(str::trim).filter(|pin| !pin.is_empty()) {
        Some(pin) => Ok(Secret::new(pin)),
        None => Err(format!("pkcs11_pin_file {} is empty", path.display())),
    }
}
