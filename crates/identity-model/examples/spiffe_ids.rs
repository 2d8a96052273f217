//! Make and take apart the SPIFFE ID of a workload: `cargo run -p zeroid-identity-model --example spiffe_ids`.

use zeroid_identity_model::{IdentityType, SpiffeId, Status, Tenant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tenant = Tenant::new("acct-demo", "proj-prod")?;
    let id = SpiffeId::of_workload(
        &"zeroid.example".parse()?,
        &tenant,
        IdentityType::Agent,
        &"billing-orchestrator".parse()?,
    )?;
    assert_eq!(id.as_str(), "spiffe://zeroid.example/acct-demo/proj-prod/agent/billing-orchestrator");
    let parts = id.workload().ok_or("a workload's URI has four segments")?;
    assert_eq!(parts.tenant, tenant);

    assert!("spiffe://zeroid.example/a/../b".parse::<SpiffeId>().is_err());
    assert!(Status::Expired.change_to(Status::Active).is_err());
    Ok(())
}
