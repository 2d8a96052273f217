//! The body by which an agent sets its own key.

use crate::body::{BodyError, Reader};

/// The body of `POST /agents/self/public-key`.
#[derive(Clone, Default)]
pub struct OwnKeyBody {
    /// `new_public_key_pem`.
    pub public_key_pem: String,
    /// `new_key_proof`.
    pub new_key_proof: String,
    /// `current_key_proof`; absent when empty.
    pub current_key_proof: Option<String>,
}

/// Read it.
///
/// # Errors
/// [`BodyError`].
pub fn read_own_key(bytes: &[u8]) -> Result<OwnKeyBody, BodyError> {
    let mut reader = Reader::new(bytes)?;
    let body = OwnKeyBody {
        public_key_pem: reader.required_text("new_public_key_pem"),
        new_key_proof: reader.required_text("new_key_proof"),
        current_key_proof: reader.text("current_key_proof").filter(|text| !text.is_empty()),
    };
    reader.finish(body)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_current_proof_is_none_and_the_others_are_required() {
        let read = |text: &str| read_own_key(text.as_bytes());
        let body =
            read(r#"{"new_public_key_pem": "p", "new_key_proof": "n", "current_key_proof": ""}"#).unwrap();
        assert_eq!((body.new_key_proof.as_str(), body.current_key_proof), ("n", None));
        for text in
            ["{}", r#"{"new_public_key_pem": "p"}"#, r#"{"new_public_key_pem": 1, "new_key_proof": "n"}"#]
        {
            assert!(matches!(read(text), Err(BodyError::Schema(_))), "{text}");
        }
    }
}
