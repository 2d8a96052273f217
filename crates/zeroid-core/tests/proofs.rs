//! Proofs of a key (RFC 9449), by a clock the test moves.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::sync::Arc;

use serde_json::json;
use support::{ISSUER, START, World, asked};
use zeroid_core::{
    ApiKeyGrant, BearerRefused, Issued, NotAdmitted, Presentation, PresentationRefused, ProvenRequest,
    Registered, TokenError,
};
use zeroid_jose::{ProofError, SigningKey, TargetUri, proof_hash};
use zeroid_storage::{MemoryStore, Store};
use zeroid_token_core::{Asked, OAuthCode, Requirements, Unmet};

/// A client's key, and where the clock of the test stands.
struct Client {
    key: SigningKey,
    at: i64,
}

impl Client {
    fn new() -> Self {
        Self { key: SigningKey::generate().unwrap().0, at: START }
    }

    fn proof(&self, jti: &str, method: &str, uri: &str, token: Option<&str>, nonce: Option<&str>) -> String {
        let mut claims = json!({"jti": jti, "htm": method, "htu": uri, "iat": self.at});
        if let Some(token) = token {
            claims["ath"] = json!(proof_hash(token.as_bytes()));
        }
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        self.key.sign_proof(claims.to_string().as_bytes()).unwrap()
    }
}

fn token_uri() -> [TargetUri; 1] {
    [format!("{ISSUER}/oauth2/token").parse().unwrap()]
}

async fn issue(world: &World, agent: &Registered, proof: &str) -> Result<Issued, TokenError> {
    let targets = token_uri();
    let request = ProvenRequest { method: "POST", targets: &targets, body: None };
    let proven = world.engine.check_proof(proof, &request).unwrap();
    let asked = Asked { proven_key: Some(proven), ..asked("nhi:read read") };
    world
        .engine
        .api_key_grant(ApiKeyGrant { api_key: agent.api_key.clone(), client: None, asked, typ: None })
        .await
}

const RESOURCE: &str = "https://id.example/agents";

async fn present(
    world: &World,
    issued: &Issued,
    proof: &str,
    demanded: &Requirements,
) -> Result<(), NotAdmitted> {
    let targets = [RESOURCE.parse().unwrap()];
    let request = ProvenRequest { method: "GET", targets: &targets, body: None };
    let presented = Presentation::Dpop { token: issued.access_token.expose(), proof, request };
    world.engine.admit(&presented, demanded).await.unwrap().map(drop)
}

#[tokio::test]
async fn a_proof_buys_one_token_and_no_replica_another() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let world = World::on(Arc::clone(&store), |_| {}).await;
    let other = world.replica(store).await;
    let (agent, client) = (world.agent("boss").await, Client::new());
    let uri = format!("{ISSUER}/oauth2/token");
    let proof = client.proof("a", "POST", &uri, None, None);
    let issued = issue(&world, &agent, &proof).await.unwrap();
    assert_eq!(issued.record.confirmation, Some(client.key.public().thumbprint()));
    for replica in [&world, &other] {
        let error = issue(replica, &agent, &proof).await.unwrap_err();
        assert!(matches!(error, TokenError::ProofUsed), "{error:?}");
        assert_eq!(error.oauth_code(), Some(OAuthCode::InvalidDpopProof));
    }
    issue(&other, &agent, &client.proof("b", "POST", &uri, None, None)).await.unwrap();
}

#[tokio::test]
async fn a_proof_is_remembered_as_long_as_it_is_good() {
    let world = World::new().await;
    let (agent, client) = (world.agent("boss").await, Client { at: START + 5, ..Client::new() });
    let targets = token_uri();
    let request = ProvenRequest { method: "POST", targets: &targets, body: None };
    let proof = client.proof("a", "POST", targets[0].as_str(), None, None);
    issue(&world, &agent, &proof).await.unwrap();
    // Of a clock as far ahead as is allowed, to the last second.
    world.pass(69);
    assert_eq!(world.engine.sweep().await.unwrap().forgotten, 0);
    assert!(matches!(issue(&world, &agent, &proof).await, Err(TokenError::ProofUsed)));
    world.pass(2);
    assert_eq!(world.engine.check_proof(&proof, &request).unwrap_err(), ProofError::Time("iat"));
    world.pass(120);
    assert_eq!(world.engine.sweep().await.unwrap().forgotten, 1);
}

#[tokio::test]
async fn a_bound_token_comes_with_its_proof_and_no_other_way() {
    let world = World::new().await;
    let (agent, client) = (world.agent("boss").await, Client::new());
    let uri = format!("{ISSUER}/oauth2/token");
    let issued = issue(&world, &agent, &client.proof("a", "POST", &uri, None, None)).await.unwrap();
    let token = issued.access_token.expose();
    let nothing = Requirements::default();
    let demanded = Requirements { scopes: "read write".parse().unwrap(), ..Requirements::default() };
    let proof = client.proof("b", "GET", RESOURCE, Some(token), None);
    let unmet = Unmet::Scopes("write".parse().unwrap());
    assert_eq!(present(&world, &issued, &proof, &demanded).await, Err(unmet.into()));
    assert_eq!(present(&world, &issued, &proof, &nothing).await, Ok(()), "a refusal uses no proof up");
    let used: Result<(), NotAdmitted> = Err(PresentationRefused::ProofUsed.into());
    assert_eq!(present(&world, &issued, &proof, &nothing).await, used);
    let bare = world.engine.admit(&Presentation::Bearer(token), &nothing).await.unwrap().unwrap_err();
    assert_eq!(bare, NotAdmitted::Presented(BearerRefused::SenderConstrained.into()));

    let thief = Client::new().proof("c", "GET", RESOURCE, Some(token), None);
    let stolen: Result<(), NotAdmitted> = Err(PresentationRefused::Proof(ProofError::OtherKey).into());
    assert_eq!(present(&world, &issued, &thief, &nothing).await, stolen);
    let without_ath = client.proof("d", "GET", RESOURCE, None, None);
    let other_token: Result<(), NotAdmitted> = Err(PresentationRefused::Proof(ProofError::Token).into());
    assert_eq!(present(&world, &issued, &without_ath, &nothing).await, other_token);

    let plain = world.root(&agent, "read").await.unwrap();
    let proof = client.proof("e", "GET", RESOURCE, Some(plain.access_token.expose()), None);
    let unbound: Result<(), NotAdmitted> = Err(PresentationRefused::Unbound.into());
    assert_eq!(present(&world, &plain, &proof, &nothing).await, unbound);

    world.engine.revoke_token(token).await.unwrap();
    let proof = client.proof("f", "GET", RESOURCE, Some(token), None);
    let dead: Result<(), NotAdmitted> = Err(PresentationRefused::Bearer(BearerRefused::InvalidToken).into());
    assert_eq!(present(&world, &issued, &proof, &nothing).await, dead);
}

#[tokio::test]
async fn a_nonce_outlives_no_slot_and_is_known_to_every_replica() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let world = World::on(Arc::clone(&store), |settings| settings.dpop_nonce_required = true).await;
    let demanding = |settings: &mut zeroid_core::Settings| settings.dpop_nonce_required = true;
    let other = world.replica_with(store, zeroid_core::Signing::default(), demanding).await.unwrap();
    let nonce = other.engine.dpop_nonce().unwrap();
    let mut client = Client::new();
    let targets = token_uri();
    let request = ProvenRequest { method: "POST", targets: &targets, body: None };
    let check = |client: &Client, nonce: Option<&str>| {
        let proof = client.proof("a", "POST", targets[0].as_str(), None, nonce);
        world.engine.check_proof(&proof, &request).map(drop)
    };
    assert_eq!(check(&client, None), Err(ProofError::Nonce));
    assert_eq!(check(&client, Some(&nonce)), Ok(()));
    world.pass(600);
    client.at += 600;
    assert_eq!(check(&client, Some(&nonce)), Err(ProofError::Nonce));
    let fresh = world.engine.dpop_nonce().unwrap();
    assert_eq!(check(&client, Some(&fresh)), Ok(()));
    assert!(World::new().await.engine.dpop_nonce().is_none(), "nobody demands one");
}
