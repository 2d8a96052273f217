//! OAuth forms, JSON bodies and metadata documents, converted to and from the domain.
//!
//! Every bound is checked before parsing, and nothing secret that was submitted is in any message made here.
//! This crate knows no hyper, no engine and no storage.

mod body;
mod params;

mod admin;
mod client_auth;
mod clients;
mod delegation_routes;
mod evaluation;
mod identities;
mod metadata;
mod oauth;
mod own_key;
mod problem;
mod protected_resource;
mod schema;
mod token;
mod views;
mod workload_proofs;

pub use admin::{ApiKeyBody, ReasonBody, read_api_key, read_policy, read_policy_patch, read_reason};
pub use body::{BodyError, Issue, read_object};
pub use client_auth::{PresentedClient, read_client_credentials};
pub use clients::{ClientBody, ClientPatchBody, ClientView, client_view, read_client, read_client_patch};
pub use delegation_routes::{DelegationRouteBody, delegation_route_view, read_delegation_route};
pub use evaluation::{
    EvaluationBody, EvaluationView, ProofWord, RefusalView, SIDES, evaluation_view, read_evaluation,
};
pub use identities::{IdentityBody, Registration, read_identity, read_identity_patch, read_registration};
pub use metadata::{Metadata, authorization_server, identity_schema};
pub use oauth::{
    INTROSPECTION_INACTIVE, InactiveBody, IntrospectionBody, OAuthError, SignedIntrospectionBody,
    TokenAnswer, WireError, introspection, token_response,
};
pub use own_key::{OwnKeyBody, read_own_key};
pub use params::{MAX_PARAMS, Pair, Params, ParamsError};
pub use problem::{Problem, problem};
pub use protected_resource::protected_resource;
pub use schema::{reference, schemas};
pub use token::{
    CommonGrant, ExchangeRequest, NamedTenant, PresentedToken, TokenRequest, read_presented_token,
    read_token_request,
};
pub use views::{
    ApiKeyView, CredentialParts, Edge, IdentityParts, agent_view, api_key_view, chain_view, credential_view,
    identity_view, node_view, policy_view,
};
pub use workload_proofs::{
    MAX_PROOF_AUDIENCE_BYTES, MAX_PROOF_NONCE_BYTES, NewProofBody, ShownProofBody, read_new_proof,
    read_shown_proof,
};
