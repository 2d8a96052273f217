//! Claims: a view of a credential's lineage. The token and introspection are told by this one builder.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroid_identity_model::{CredentialId, Identity, IdentityId, IdentityType, Status, SubType, TrustLevel};

use crate::additional::AdditionalClaims;
use crate::facts::{IssuerRules, Profile};
use crate::key_id::Thumbprint;
use crate::lineage::Link;
use crate::record::CredentialRecord;
use crate::scope::ScopeSet;
use crate::task::TaskClaims;

/// The claims of a workload credential (RFC 9068 §2.2, RFC 8693 §4, and the house's own).
///
/// Read back only from bytes whose authenticity was checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    /// Our issuer URL.
    pub iss: String,
    /// Who presents it (profile `zeroid`), or the principal at the root (profile `rfc8693`).
    pub sub: String,
    /// Whom it is for; always an array.
    pub aud: Vec<String>,
    /// Issued at, seconds, rounded down.
    pub iat: i64,
    /// Ends at, seconds.
    pub exp: i64,
    /// The credential's id.
    pub jti: CredentialId,
    /// The authenticated client, else the presenter's URI (RFC 9068 §2.2).
    pub client_id: String,
    /// The tenant's account.
    pub account_id: String,
    /// The tenant's project.
    pub project_id: String,
    /// The grant's short name.
    pub grant_type: String,
    /// The root credential's id.
    pub mission_id: CredentialId,
    /// The registered identity `sub` names.
    pub identity_id: IdentityId,
    /// Its external id.
    pub external_id: String,
    /// Its type.
    pub identity_type: IdentityType,
    /// Its sub-type.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sub_type: Option<SubType>,
    /// How much it was trusted when this was issued.
    pub trust_level: TrustLevel,
    /// Its status when this was issued.
    pub status: Status,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<String>,
    /// The same, under its older name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner_user_id: Option<String>,
    /// Its display name.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub name: String,
    /// Its framework.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub framework: String,
    /// Its version.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub version: String,
    /// Its publisher.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub publisher: String,
    /// What it can do.
    #[serde(skip_serializing_if = "is_unset", default)]
    pub capabilities: Value,
    /// The usable scopes.
    #[serde(skip_serializing_if = "ScopeSet::is_empty", default)]
    pub scopes: ScopeSet,
    /// The same, space-delimited (RFC 9068 §2.2.3).
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub scope: String,
    /// Hops since the root.
    pub delegation_depth: u8,
    /// The most hops this chain may have.
    pub max_delegation_depth: u8,
    /// Who delegated (profile `zeroid`), or who acts (profile `rfc8693`).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub act: Option<Act>,
    /// `policy` when an operator's delegation route stood in for a proof of the presenter.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub actor_proof: Option<String>,
    /// Sender binding (RFC 9449 §6.1).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cnf: Option<Confirmation>,
    /// The only workloads that may act on it (RFC 8693 §4.4).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub may_act: Option<Vec<MayActEntry>>,
    /// Labels of its presenter when this was issued: those that its credential policy lists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub labels: Option<Map<String, Value>>,
    /// What it is for, each claim beside the others.
    #[serde(flatten)]
    pub task: TaskClaims,
    /// `workload`; marks the profile `rfc8693`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub principal_type: Option<String>,
    /// What the caller wanted to be told of it; read back, everything else that stands in the token. No name of the
    /// members above is among them ([`crate::is_reserved`]), so that nothing is said twice.
    #[serde(flatten)]
    pub additional: AdditionalClaims,
}

/// One actor, and those who acted before it (RFC 8693 §4.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// The actor's URI.
    pub sub: String,
    /// Its external id; only the outermost actor of profile `rfc8693` has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub external_id: Option<String>,
    /// Its type, likewise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub identity_type: Option<IdentityType>,
    /// How much it is trusted, likewise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trust_level: Option<TrustLevel>,
    /// Who acted before it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub act: Option<Box<Act>>,
}

/// The key a presenter must prove to hold (RFC 7800 §3, RFC 9449 §6.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Its thumbprint.
    pub jkt: Thumbprint,
}

/// One workload that may act (RFC 8693 §4.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MayActEntry {
    /// Its URI.
    pub sub: String,
}

impl Claims {
    /// Tell the story of a record.
    ///
    /// `presenter` is the identity that holds it and `principal` the identity at the root of its chain, both
    /// as the registry knows them when it is issued; `labels` are those of the presenter's that are told.
    pub fn of(
        record: &CredentialRecord,
        presenter: &Identity,
        principal: &Identity,
        labels: Option<Map<String, Value>>,
        rules: &IssuerRules,
    ) -> Self {
        let told = match rules.profile {
            Profile::Zeroid => presenter,
            Profile::Rfc8693 => principal,
        };
        let own = record.lineage.own();
        let owner = told.owner.as_ref().map(ToString::to_string);
        Self {
            iss: rules.issuer.clone(),
            sub: told.spiffe_id.to_string(),
            aud: record.audience.values().to_vec(),
            iat: own.issued_at.unix_seconds(),
            exp: record.expires_at.unix_seconds(),
            jti: own.jti,
            client_id: record.client_id.clone().unwrap_or_else(|| own.subject.to_string()),
            account_id: own.tenant.account.to_string(),
            project_id: own.tenant.project.to_string(),
            grant_type: record.grant_type.as_str().to_owned(),
            mission_id: record.mission_id(),
            identity_id: told.id,
            external_id: told.external_id.to_string(),
            identity_type: told.kind.identity_type(),
            sub_type: told.kind.sub_type(),
            trust_level: told.trust_level,
            status: told.status,
            owner_user_id: owner.clone(),
            owner,
            name: told.name.clone(),
            framework: told.framework.clone(),
            version: told.version.clone(),
            publisher: told.publisher.clone(),
            capabilities: if is_unset(&told.capabilities) { Value::Null } else { told.capabilities.clone() },
            scope: record.usable.to_string(),
            scopes: record.usable.clone(),
            delegation_depth: record.delegation_depth(),
            max_delegation_depth: record.max_delegation_depth,
            act: act(record, presenter, rules.profile),
            actor_proof: record.actor_proof().map(str::to_owned),
            cnf: record.confirmation.clone().map(|jkt| Confirmation { jkt }),
            may_act: record
                .may_act
                .as_ref()
                .map(|named| named.iter().map(|id| MayActEntry { sub: id.to_string() }).collect()),
            labels,
            task: record.task.clone(),
            principal_type: matches!(rules.profile, Profile::Rfc8693).then(|| "workload".to_owned()),
            additional: record.additional.clone(),
        }
    }
}

impl Claims {
    /// How much whoever presents it was trusted, in either profile.
    pub fn presenter_trust(&self) -> TrustLevel {
        // Only the outermost actor of profile `rfc8693`, who presents it, has a level of its own.
        self.act.as_ref().and_then(|act| act.trust_level).unwrap_or(self.trust_level)
    }
}

/// The chain as nested actors; absent at a root.
///
/// The presenters of a chain are, current one first, `C, B, A` with `A` at the root. Profile `zeroid` has
/// `C` in `sub` and nests `B, A`; profile `rfc8693` has `A` in `sub` and nests `C, B`.
fn act(record: &CredentialRecord, presenter: &Identity, profile: Profile) -> Option<Act> {
    let presenters: Vec<&Link> = record.lineage.actors().collect();
    let nested = match profile {
        Profile::Zeroid => presenters.get(1..),
        Profile::Rfc8693 => presenters.get(..presenters.len().saturating_sub(1)),
    }?;
    let bare = |link: &Link, act: Option<Act>| Act {
        sub: link.subject.to_string(),
        external_id: None,
        identity_type: None,
        trust_level: None,
        act: act.map(Box::new),
    };
    let mut told = nested.iter().rev().fold(None, |inner, link| Some(bare(link, inner)));
    if let (Some(outermost), Profile::Rfc8693) = (&mut told, profile) {
        outermost.external_id = Some(presenter.external_id.to_string());
        outermost.identity_type = Some(presenter.kind.identity_type());
        outermost.trust_level = Some(presenter.trust_level);
    }
    told
}

fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}
