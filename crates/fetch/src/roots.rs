//! Whose certificates are trusted.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The authorities whose certificates are trusted.
#[derive(Clone, Debug)]
pub struct Roots(pub(crate) Arc<RootCertStore>);

/// Why a text names no authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RootsError {
    /// No certificate in it, or one that is none.
    #[error("no PEM certificates")]
    NotPem,
}

impl Roots {
    /// Those of this system, or those of the file `SSL_CERT_FILE` and the folder `SSL_CERT_DIR` when the environment
    /// names them. May be empty, and then nothing is trusted.
    pub fn of_system() -> Self {
        let mut store = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        // What a system has that is no certificate is nobody's authority.
        let _ = store.add_parsable_certificates(found.certs);
        Self(Arc::new(store))
    }

    /// Those of a PEM text alone.
    ///
    /// # Errors
    /// [`RootsError`].
    pub fn from_pem(pem: &str) -> Result<Self, RootsError> {
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|_| RootsError::NotPem)?;
            store.add(certificate).map_err(|_| RootsError::NotPem)?;
        }
        if store.is_empty() { Err(RootsError::NotPem) } else { Ok(Self(Arc::new(store))) }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
