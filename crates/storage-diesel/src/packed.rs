//! A credential's record as its row holds it: CBOR (RFC 8949) with numbered members, the tenant once for all links.
//!
//! It is written at every token, and half of what a token costs the disk. A member is only ever added, under a new
//! number, and is absent in rows that are older. Rows of before are JSON, and are read as such.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use zeroid_identity_model::{
    ApiKeyId, ClientId, CredentialId, DelegationRouteId, FamilyId, IdentityId, PolicyId, Tenant, Timestamp,
};
use zeroid_storage::StoreError;
use zeroid_token_core::{
    AdditionalClaims, Audience, CredentialRecord, DecidedBy, Lineage, Link, Order, ScopeSet, Source,
    TaskClaims,
};

use crate::error::corrupt;

const WHAT: &str = "credential";

/// The first byte of a JSON object; no record begins with it in CBOR.
const JSON: u8 = b'{';

type Id = ByteArray<16>;

#[derive(Encode, Decode)]
struct Record<'r> {
    #[b(0)]
    account: &'r str,
    #[b(1)]
    project: &'r str,
    #[b(2)]
    links: Vec<PackedLink<'r>>,
    #[b(3)]
    grant_type: &'r str,
    #[n(4)]
    expires_at: i64,
    #[n(5)]
    usable: String,
    #[n(6)]
    delegable: Option<String>,
    #[n(7)]
    requested: Option<String>,
    #[n(8)]
    max_delegation_depth: u8,
    #[b(9)]
    audience: Vec<&'r str>,
    #[n(10)]
    audience_was_asked_for: bool,
    #[b(11)]
    confirmation: Option<&'r str>,
    #[b(12)]
    may_act: Option<Vec<&'r str>>,
    #[n(13)]
    decided_by: Vec<Decided>,
    #[b(14)]
    client_id: Option<&'r str>,
    #[b(15)]
    session_id: Option<&'r str>,
    #[b(16)]
    task_id: Option<&'r str>,
    #[b(17)]
    task_type: Option<&'r str>,
    #[b(18)]
    allowed_tools: Option<Vec<&'r str>>,
    #[b(19)]
    workspace: Option<&'r str>,
    #[b(20)]
    environment: Option<&'r str>,
    #[n(21)]
    additional: Option<String>,
}

#[derive(Encode, Decode)]
struct PackedLink<'r> {
    #[n(0)]
    jti: Id,
    #[n(1)]
    identity: Id,
    #[b(2)]
    subject: &'r str,
    #[n(3)]
    source: PackedSource,
    #[b(4)]
    kid: &'r str,
    #[n(5)]
    issued_at: i64,
    #[n(6)]
    order: u64,
    #[b(7)]
    owner: Option<&'r str>,
    #[n(8)]
    family: Option<Id>,
    #[n(9)]
    beside: Option<Vec<PackedSource>>,
}

#[derive(Encode, Decode)]
enum PackedSource {
    #[n(0)]
    ApiKey(#[n(0)] Id),
    #[n(1)]
    Client(#[n(0)] Id),
    #[n(2)]
    Assertion,
    #[n(3)]
    Presented,
    #[n(4)]
    Route(#[n(0)] Id),
}

#[derive(Encode, Decode)]
struct Decided {
    #[n(0)]
    policy: Id,
    #[n(1)]
    version: u64,
}

/// The bytes of a record.
///
/// # Errors
/// [`StoreError::Corrupt`] for a lineage of more than one tenant: cut-offs are looked up in one.
pub(crate) fn pack(record: &CredentialRecord) -> Result<Vec<u8>, StoreError> {
    // Every member by name: one that is added must be stored, too.
    let CredentialRecord {
        lineage,
        grant_type,
        client_id,
        expires_at,
        usable,
        delegable,
        requested,
        max_delegation_depth,
        audience,
        confirmation,
        may_act,
        task,
        additional,
        decided_by,
    } = record;
    let TaskClaims { session_id, task_id, task_type, allowed_tools, workspace, environment } = task;
    let tenant = record.tenant();
    if lineage.links().any(|link| link.tenant != *tenant) {
        return Err(corrupt(WHAT, "a lineage of more than one tenant"));
    }
    let packed = Record {
        account: tenant.account.as_str(),
        project: tenant.project.as_str(),
        links: lineage.links().map(PackedLink::of).collect(),
        grant_type: grant_type.as_str(),
        expires_at: expires_at.as_micros(),
        usable: usable.to_string(),
        delegable: (!delegable.is_empty()).then(|| delegable.to_string()),
        requested: requested.as_ref().map(ToString::to_string),
        max_delegation_depth: *max_delegation_depth,
        audience: audience.values().iter().map(String::as_str).collect(),
        audience_was_asked_for: audience.is_binding(),
        confirmation: confirmation.as_ref().map(|thumbprint| thumbprint.as_str()),
        may_act: may_act.as_ref().map(|named| named.iter().map(|id| id.as_str()).collect()),
        decided_by: decided_by.iter().map(Decided::of).collect(),
        client_id: client_id.as_deref(),
        session_id: session_id.as_deref(),
        task_id: task_id.as_deref(),
        task_type: task_type.as_deref(),
        allowed_tools: allowed_tools.as_ref().map(|tools| tools.iter().map(String::as_str).collect()),
        workspace: workspace.as_deref(),
        environment: environment.as_deref(),
        additional: written(additional)?,
    };
    let mut bytes = Vec::with_capacity(512);
    minicbor::encode(&packed, &mut bytes).map_err(|error| corrupt(WHAT, error))?;
    Ok(bytes)
}

/// The record of these bytes.
pub(crate) fn unpack(bytes: &[u8]) -> Result<CredentialRecord, StoreError> {
    if bytes.first() == Some(&JSON) {
        return serde_json::from_slice(bytes).map_err(|error| corrupt(WHAT, error));
    }
    let packed: Record<'_> = minicbor::decode(bytes).map_err(|error| corrupt(WHAT, error))?;
    let tenant = Tenant::new(packed.account, packed.project).map_err(|error| corrupt(WHAT, error))?;
    let links = packed.links.iter().map(|link| link.unpack(&tenant)).collect::<Result<Vec<_>, _>>()?;
    let audience: Vec<String> = packed.audience.iter().map(|&value| value.to_owned()).collect();
    let audience = match (packed.audience_was_asked_for, audience.as_slice()) {
        (true, _) => Audience::asked_for(audience).map_err(|error| corrupt(WHAT, error))?,
        (false, [issuer]) => Audience::of_issuer(issuer),
        (false, _) => return Err(corrupt(WHAT, "a default audience is one")),
    };
    let may_act = packed.may_act.map(|named| named.into_iter().map(parse).collect()).transpose()?;
    Ok(CredentialRecord {
        lineage: Lineage::try_from(links).map_err(|error| corrupt(WHAT, error))?,
        grant_type: parse(packed.grant_type)?,
        client_id: packed.client_id.map(str::to_owned),
        expires_at: Timestamp::from_micros(packed.expires_at),
        usable: parse(&packed.usable)?,
        delegable: packed.delegable.as_deref().map_or_else(|| Ok(ScopeSet::nothing()), parse)?,
        requested: packed.requested.as_deref().map(parse).transpose()?,
        max_delegation_depth: packed.max_delegation_depth,
        audience,
        confirmation: packed.confirmation.map(parse).transpose()?,
        may_act,
        task: TaskClaims {
            session_id: packed.session_id.map(str::to_owned),
            task_id: packed.task_id.map(str::to_owned),
            task_type: packed.task_type.map(str::to_owned),
            allowed_tools: packed.allowed_tools.map(|tools| tools.into_iter().map(str::to_owned).collect()),
            workspace: packed.workspace.map(str::to_owned),
            environment: packed.environment.map(str::to_owned),
        },
        additional: packed.additional.as_deref().map_or_else(|| Ok(AdditionalClaims::default()), read)?,
        decided_by: packed.decided_by.iter().map(Decided::unpack).collect(),
    })
}

impl<'r> PackedLink<'r> {
    fn of(link: &'r Link) -> Self {
        // Every member by name, as above; the tenant stands beside them.
        let Link { jti, tenant: _, identity, subject, owner, source, beside, family, kid, issued_at, order } =
            link;
        let beside = beside.iter().copied().map(PackedSource::of);
        Self {
            jti: (*jti.as_bytes()).into(),
            identity: (*identity.as_bytes()).into(),
            subject: subject.as_str(),
            source: PackedSource::of(*source),
            kid: kid.as_str(),
            issued_at: issued_at.as_micros(),
            order: order.0,
            owner: owner.as_ref().map(|owner| owner.as_str()),
            family: family.map(|family| (*family.as_bytes()).into()),
            beside: (!link.beside.is_empty()).then(|| beside.collect()),
        }
    }

    fn unpack(&self, tenant: &Tenant) -> Result<Link, StoreError> {
        Ok(Link {
            jti: CredentialId::from_bytes(*self.jti),
            tenant: tenant.clone(),
            identity: IdentityId::from_bytes(*self.identity),
            subject: parse(self.subject)?,
            owner: self.owner.map(parse).transpose()?,
            source: self.source.unpack(),
            beside: self.beside.iter().flatten().map(PackedSource::unpack).collect(),
            family: self.family.map(|family| FamilyId::from_bytes(*family)),
            kid: parse(self.kid)?,
            issued_at: Timestamp::from_micros(self.issued_at),
            order: Order(self.order),
        })
    }
}

impl PackedSource {
    fn of(source: Source) -> Self {
        match source {
            Source::ApiKey(id) => Self::ApiKey((*id.as_bytes()).into()),
            Source::Client(id) => Self::Client((*id.as_bytes()).into()),
            Source::Assertion => Self::Assertion,
            Source::Presented => Self::Presented,
            Source::Route(id) => Self::Route((*id.as_bytes()).into()),
        }
    }

    fn unpack(&self) -> Source {
        match self {
            Self::ApiKey(id) => Source::ApiKey(ApiKeyId::from_bytes(**id)),
            Self::Client(id) => Source::Client(ClientId::from_bytes(**id)),
            Self::Assertion => Source::Assertion,
            Self::Presented => Source::Presented,
            Self::Route(id) => Source::Route(DelegationRouteId::from_bytes(**id)),
        }
    }
}

impl Decided {
    fn of(decided: &DecidedBy) -> Self {
        Self { policy: (*decided.policy.as_bytes()).into(), version: decided.version }
    }

    fn unpack(&self) -> DecidedBy {
        DecidedBy { policy: PolicyId::from_bytes(*self.policy), version: self.version }
    }
}

/// As JSON, since they can be any.
fn written(additional: &AdditionalClaims) -> Result<Option<String>, StoreError> {
    let some = Some(additional).filter(|additional| !additional.is_empty());
    some.map(serde_json::to_string).transpose().map_err(|error| corrupt(WHAT, error))
}

fn read(text: &str) -> Result<AdditionalClaims, StoreError> {
    serde_json::from_str(text).map_err(|error| corrupt(WHAT, error))
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|error| corrupt(WHAT, error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use zeroid_token_core::strategies::{World, plans};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_record_is_read_as_it_was_written(plan in plans(1..30)) {
            for issued in World::after(&plan).issued {
                let packed = pack(&issued.record).unwrap();
                prop_assert_eq!(&unpack(&packed).unwrap(), &issued.record);
                let json = serde_json::to_vec(&issued.record).unwrap();
                prop_assert_eq!(&unpack(&json).unwrap(), &issued.record, "as it was written before");
                prop_assert!(packed.len() < json.len());
            }
        }
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        for bytes in [&b""[..], b"{", b"\x80", b"\xff\xff", b"\x9f"] {
            assert!(matches!(unpack(bytes), Err(StoreError::Corrupt(_))), "{bytes:?}");
        }
    }
}
