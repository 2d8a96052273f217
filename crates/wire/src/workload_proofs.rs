//! The bodies by which proofs are asked for and checked.

use crate::body::{BodyError, Reader};

/// Longest audience of a proof, in bytes: a URI.
pub const MAX_PROOF_AUDIENCE_BYTES: usize = 2048;

/// Longest nonce of a proof, in bytes.
pub const MAX_PROOF_NONCE_BYTES: usize = 512;

/// The body of `POST /proof/generate`.
#[derive(Clone, Debug, Default)]
pub struct NewProofBody {
    /// `identity_id`; the caller when absent or empty.
    pub identity_id: Option<String>,
    /// `audience`.
    pub audience: String,
    /// `nonce`; absent when empty.
    pub nonce: Option<String>,
}

/// The body of `POST /proof/verify`. Holds secrets, so it cannot be printed.
#[derive(Clone, Default)]
pub struct ShownProofBody {
    /// `proof_token`.
    pub proof: String,
    /// `audience`.
    pub audience: String,
    /// `nonce`; absent when empty.
    pub nonce: Option<String>,
    /// `access_token`; absent when empty.
    pub access_token: Option<String>,
}

/// Read who wants a proof, and for whom.
///
/// # Errors
/// [`BodyError`].
pub fn read_new_proof(bytes: &[u8]) -> Result<NewProofBody, BodyError> {
    let mut reader = Reader::new(bytes)?;
    let body = NewProofBody {
        identity_id: some(&mut reader, "identity_id"),
        audience: audience(&mut reader),
        nonce: nonce(&mut reader),
    };
    reader.finish(body)
}

/// Read a proof that was shown.
///
/// # Errors
/// [`BodyError`].
pub fn read_shown_proof(bytes: &[u8]) -> Result<ShownProofBody, BodyError> {
    let mut reader = Reader::new(bytes)?;
    let body = ShownProofBody {
        proof: reader.required_text("proof_token"),
        audience: audience(&mut reader),
        nonce: nonce(&mut reader),
        access_token: some(&mut reader, "access_token"),
    };
    reader.finish(body)
}

fn some(reader: &mut Reader, name: &str) -> Option<String> {
    reader.text(name).filter(|text| !text.is_empty())
}

fn audience(reader: &mut Reader) -> String {
    let audience = reader.required_text("audience");
    if audience.len() > MAX_PROOF_AUDIENCE_BYTES {
        reader.wrong("audience", format!("must have at most {MAX_PROOF_AUDIENCE_BYTES} bytes"));
    }
    audience
}

fn nonce(reader: &mut Reader) -> Option<String> {
    let nonce = some(reader, "nonce");
    if nonce.as_ref().is_some_and(|nonce| nonce.len() > MAX_PROOF_NONCE_BYTES) {
        reader.wrong("nonce", format!("must have at most {MAX_PROOF_NONCE_BYTES} bytes"));
    }
    nonce
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_is_absent_and_what_is_long_is_refused() {
        let read = |text: &str| read_new_proof(text.as_bytes());
        let body = read(r#"{"audience": "a", "nonce": "", "identity_id": ""}"#).unwrap();
        assert_eq!((body.audience.as_str(), body.nonce, body.identity_id), ("a", None, None));
        let long = "n".repeat(MAX_PROOF_NONCE_BYTES + 1);
        for text in ["{}", r#"{"audience": ""}"#, &format!(r#"{{"audience": "a", "nonce": "{long}"}}"#)] {
            assert!(matches!(read(text), Err(BodyError::Schema(_))), "{text}");
        }
        let audience = "a".repeat(MAX_PROOF_AUDIENCE_BYTES + 1);
        let shown = format!(r#"{{"proof_token": "p", "audience": "{audience}"}}"#);
        assert!(matches!(read_shown_proof(shown.as_bytes()), Err(BodyError::Schema(_))));
        assert!(matches!(read_shown_proof(br#"{"audience": "a"}"#), Err(BodyError::Schema(_))));
    }
}
