//! Clients whose keys are fetched: what is asked for, and what a failure means.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::{Arc, Mutex};

use serde_json::json;
use support::{World, asked, assertion};
use zeroid_core::{
    AdminError, ClientCredentialsGrant, ClientProof, FetchKeys, FetchedKeys, FetchingKeys, Issued, NewClient,
    NotFetched, TokenError,
};
use zeroid_jose::{Secret, SigningKey};
use zeroid_token_core::{ClientAuthMethod, ClientTerms, OAuthCode};

const URL: &str = "https://app.example/jwks";

/// Answers what it was told to, and notes what it was asked for.
#[derive(Default)]
struct Net {
    answer: Mutex<Option<Result<Vec<u8>, NotFetched>>>,
    asked: Mutex<Vec<String>>,
}

impl FetchKeys for Net {
    fn check(&self, url: &str) -> Result<(), String> {
        if url.starts_with("https://") { Ok(()) } else { Err("must be https".to_owned()) }
    }

    fn fetch<'a>(&'a self, url: &'a str) -> FetchingKeys<'a> {
        self.asked.lock().unwrap().push(url.to_owned());
        let answer = self.answer.lock().unwrap().clone().expect("an answer was prepared");
        Box::pin(std::future::ready(answer.map(|body| FetchedKeys { body, good_for_seconds: None })))
    }
}

fn by_url(name: &str, url: &str) -> NewClient {
    NewClient {
        client_id: name.parse().unwrap(),
        name: name.to_owned(),
        confidential: Some(true),
        auth_method: Some(ClientAuthMethod::PrivateKeyJwt),
        scopes: None,
        policy_id: None,
        terms: ClientTerms { jwks_uri: Some(url.to_owned()), ..ClientTerms::default() },
        created_by: String::new(),
    }
}

async fn ask(world: &World, name: &str, key: &SigningKey) -> Result<Issued, TokenError> {
    let assertion = Secret::new(assertion(key, name, world.engine.now(), |_| {}));
    let grant = ClientCredentialsGrant {
        client: Some(ClientProof::Assertion { client_id: None, assertion }),
        account: None,
        project: None,
        asked: asked("read"),
        typ: None,
    };
    world.engine.client_credentials_grant(grant).await
}

#[tokio::test]
async fn too_many_fetches_are_our_fault_and_anything_else_is_the_clients() {
    let net = Arc::new(Net::default());
    let world = World::new().await.fetching(net.clone());
    world.agent_with("job", |new| new.allowed_scopes = Some("read".parse().unwrap())).await;
    let refused = world.engine.create_client(&world.tenant, by_url("job", "http://app.example/jwks")).await;
    assert!(matches!(&refused, Err(AdminError::Invalid { field: "jwks_uri", .. })), "{refused:?}");
    world.engine.create_client(&world.tenant, by_url("job", URL)).await.unwrap();
    let (key, _) = SigningKey::generate().unwrap();

    let unknown = ask(&world, "nobody", &key).await.unwrap_err();
    assert!(net.asked.lock().unwrap().is_empty(), "nothing is fetched for a client that does not exist");
    let prepare = |answer| *net.answer.lock().unwrap() = Some(answer);
    prepare(Err(NotFetched::Busy));
    match ask(&world, "job", &key).await.unwrap_err() {
        TokenError::Fault(fault) => assert!(fault.is_passing(), "{fault}"),
        other => panic!("{other}"),
    }
    prepare(Err(NotFetched::Failed("no such host".to_owned())));
    let failed = ask(&world, "job", &key).await.unwrap_err();
    assert_eq!(failed.oauth_code(), Some(OAuthCode::InvalidClient));
    assert_eq!(failed.to_string(), unknown.to_string(), "nor is it told from one that does");

    world.pass(11);
    let set = json!({"keys": [key.public().jwk(key.kid().as_str(), "sig")]});
    prepare(Ok(set.to_string().into_bytes()));
    assert_eq!(ask(&world, "job", &key).await.unwrap().claims.client_id, "job");
    assert_eq!(*net.asked.lock().unwrap(), [URL; 3]);
}
