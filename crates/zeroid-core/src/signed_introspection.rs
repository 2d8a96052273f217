//! Introspection answers that are signed (RFC 9701): for a client that proves who it is, and for nobody else.

use zeroid_jose::SigningAlgorithm;
use zeroid_token_core::ClientName;

use crate::client_auth::Inspector;
use crate::engine::Engine;
use crate::error::Fault;

/// The header `typ` of a signed introspection answer (RFC 9701 §5): no place that takes a credential takes it.
pub const INTROSPECTION_TYP: &str = "token-introspection+jwt";

impl Engine {
    /// What new tokens and signed answers are signed by.
    pub fn signing_algorithm(&self) -> SigningAlgorithm {
        self.signer().public().algorithm()
    }

    /// The signed form of an introspection answer: `claims` as JSON, which name the client in `aud`. A compact JWS.
    ///
    /// # Errors
    /// Our fault.
    pub async fn sign_introspection(&self, claims: Vec<u8>) -> Result<String, Fault> {
        self.sign_claims(&self.signer(), INTROSPECTION_TYP, claims).await
    }
}

impl Inspector {
    /// The client that proved who it is, to whom an answer may be addressed; nobody when none did, or only named itself.
    pub fn client(&self) -> Option<&ClientName> {
        self.client.as_ref()
    }

    /// The same client, who sees nothing but tokens of its own tenant: what is signed may be shown to others, and tells
    /// of no token that the client was not meant to judge (RFC 9701 §5).
    #[must_use]
    pub fn within_its_tenant(mut self) -> Self {
        self.tenant = self.own_tenant.clone();
        self
    }
}
