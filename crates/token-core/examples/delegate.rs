//! A root, one hop, a cut-off, all of it pure: `cargo run -p zeroid-token-core --example delegate`.

use zeroid_identity_model::{Owner, Tenant, Timestamp};
use zeroid_token_core::{Audience, Dead, Lineage, Link, Source};
use zeroid_token_core::{
    CredentialRecord, CutOff, CutOffKey, GrantType, LiveFacts, Order, Reason, ScopeSet, Standing, live,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let now = Timestamp::from_unix_seconds(1_790_000_000);
    let root = record(Lineage::root_of(link("boss", 1, now)?), now)?;
    let leaf = record(root.lineage.extended(link("aide", 2, now)?)?, now)?;
    assert_eq!((leaf.delegation_depth(), leaf.mission_id()), (1, root.jti()));

    // Alive while both identities may act and nothing of the chain is cut off.
    let mut facts = LiveFacts::default();
    for link in leaf.lineage.links() {
        facts.standings.push(Standing {
            identity: link.identity,
            status: zeroid_identity_model::Status::Active,
            expires_at: None,
        });
    }
    assert!(live(&leaf, &facts, now).is_ok());

    // One row about the root, and the leaf is dead.
    facts.cut_offs.push(CutOff {
        tenant: Some(Tenant::new("acme", "prod")?),
        key: CutOffKey::Credential(root.jti()),
        up_to: None,
        at: now,
        reason: Reason::new("done"),
    });
    assert!(matches!(live(&leaf, &facts, now), Err(Dead::CutOff(_))));
    Ok(())
}

fn link(name: &str, number: u8, now: Timestamp) -> Result<Link, Box<dyn std::error::Error>> {
    let owner: Owner = "dev@acme.example".parse()?;
    Ok(Link {
        jti: zeroid_identity_model::CredentialId::from_bytes([number; 16]),
        tenant: Tenant::new("acme", "prod")?,
        identity: zeroid_identity_model::IdentityId::from_bytes([number; 16]),
        subject: format!("spiffe://id.example/acme/prod/agent/{name}").parse()?,
        owner: Some(owner),
        source: Source::Assertion,
        beside: Vec::new(),
        family: None,
        kid: "key-1".parse()?,
        issued_at: now,
        order: Order(u64::from(number)),
    })
}

fn record(lineage: Lineage, now: Timestamp) -> Result<CredentialRecord, Box<dyn std::error::Error>> {
    Ok(CredentialRecord {
        lineage,
        grant_type: GrantType::TokenExchange,
        client_id: None,
        expires_at: now.plus_seconds(300),
        usable: "read".parse()?,
        delegable: ScopeSet::nothing(),
        requested: None,
        max_delegation_depth: 5,
        audience: Audience::of_issuer("https://id.example"),
        confirmation: None,
        may_act: None,
        task: zeroid_token_core::TaskClaims::default(),
        additional: zeroid_token_core::AdditionalClaims::default(),
        decided_by: Vec::new(),
    })
}
