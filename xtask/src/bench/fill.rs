//! Many identities in the store, each with an API key.

use std::fmt::Write;
use std::process::Command;

use zeroid_jose::{HashPurpose, MasterKey};

use super::agents::issue_form;
use super::server::BenchServer;
use crate::outcome::{Failure, Outcome};
use crate::process;

/// Copies of one registered agent within PostgreSQL, under names, ids and keys of their own.
const COPY: &str = "
    CREATE UNLOGGED TABLE filling (n BIGINT, hash TEXT, identity UUID DEFAULT gen_random_uuid(),
        key UUID DEFAULT gen_random_uuid());
    COPY filling (n, hash) FROM 'FILE';
    INSERT INTO identities
        SELECT uuid_send(f.identity), i.tenant_id, 'crowd-' || n, replace(i.spiffe_id, 'template', 'crowd-' || n),
            'crowd-' || n, i.identity_type, i.status, i.trust_level, i.owner, i.created_by, i.labels, i.policy_id,
            i.version, i.expires_at, i.created_at,
            replace(replace(i.body, encode(i.id, 'hex')::uuid::text, f.identity::text), 'template', 'crowd-' || n)
        FROM identities i, filling f WHERE i.external_id = 'template';
    INSERT INTO api_keys
        SELECT uuid_send(f.key), k.tenant_id, uuid_send(f.identity), decode(f.hash, 'hex'), k.policy_id,
            k.is_revoked, k.expires_at, k.created_at, 0, NULL,
            replace(replace(k.body, encode(k.id, 'hex')::uuid::text, f.key::text),
                encode(i.id, 'hex')::uuid::text, f.identity::text)
        FROM api_keys k JOIN identities i ON k.identity_id = i.id, filling f WHERE i.external_id = 'template';
    DROP TABLE filling;
    INSERT INTO epochs SELECT max(epoch) + 1 FROM epochs;
    ANALYZE";

/// The same within SQLite, whose SQL is not at hand here.
const COPY_IN_SQLITE: &str = include_str!("fill_sqlite.py");

/// Fill the store while the server is stopped, which is faster than to register so many; gives the forms by which the
/// identities ask for tokens.
pub(super) fn identities(server: &mut BenchServer, form: &str, count: usize) -> Outcome<Vec<String>> {
    server.register("template")?;
    server.stop()?;
    let failed = |error: std::io::Error| Failure::new(format!("the folder of the bench: {error}"));
    let master = std::fs::read_to_string(server.folder().join("master.key")).map_err(failed)?;
    let master = MasterKey::parse(master.trim()).map_err(|error| Failure::new(error.to_string()))?;
    let (mut rows, mut forms) = (String::with_capacity(count * 72), Vec::with_capacity(count));
    for number in 0..count {
        let key = format!("zid_sk_{number:043}");
        let _ = write!(rows, "{number}\t");
        for byte in master.keyed_hash(HashPurpose::ApiKey, key.as_bytes()).as_bytes() {
            let _ = write!(rows, "{byte:02x}");
        }
        rows.push('\n');
        forms.push(issue_form(&key));
    }
    let postgres = server.postgres();
    let file = postgres.map_or(server.folder(), |(cluster, _)| cluster.folder()).join("filling");
    std::fs::write(&file, rows).map_err(failed)?;
    match postgres {
        Some((cluster, url)) => {
            cluster.sql(url, &COPY.replace("FILE", &file.to_string_lossy())).map_err(Failure::new)?;
        }
        None => {
            let mut python = Command::new("python3");
            python.args(["-c", COPY_IN_SQLITE]).arg(server.folder().join("zeroid.db")).arg(&file);
            process::run(&mut python).map_err(|_| Failure::new("python3 could not fill the database"))?;
        }
    }
    std::fs::remove_file(file).map_err(failed)?;
    server.resume(form)?;
    Ok(forms)
}
