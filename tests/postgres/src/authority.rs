//! Certificates for a server, made by the `openssl` command, and gone with the cluster.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools::{self, User};

/// Who says who a server is, and another who does not.
pub struct Authority {
    /// The certificate of the CA that signed the server's.
    pub ca: PathBuf,
    /// The certificate of a CA that signed nothing.
    pub other: PathBuf,
}

impl Authority {
    /// Make them in a folder, with `server.pem` and `server.key` for the host `localhost`.
    pub(crate) fn make(folder: &Path, user: Option<User>) -> Result<Self, String> {
        let at = |name: &str| folder.join(name);
        for name in ["ca", "other"] {
            let mut make = request(&at(&format!("{name}.key")), &format!("/CN=zeroid test {name}"));
            tools::run(make.args(["-x509", "-days", "2", "-out"]).arg(at(&format!("{name}.pem"))))?;
        }
        tools::run(request(&at("server.key"), "/CN=localhost").arg("-out").arg(at("server.csr")))?;
        std::fs::write(at("names"), "subjectAltName=DNS:localhost\n").map_err(|error| error.to_string())?;
        let mut sign = Command::new("openssl");
        sign.args(["x509", "-req", "-days", "2", "-CAcreateserial", "-in"]).arg(at("server.csr"));
        sign.arg("-CA").arg(at("ca.pem")).arg("-CAkey").arg(at("ca.key"));
        tools::run(sign.arg("-extfile").arg(at("names")).arg("-out").arg(at("server.pem")))?;
        if let Some(user) = user {
            for name in ["server.key", "server.pem"] {
                chown(at(name), Some(user.uid), Some(user.gid)).map_err(|error| error.to_string())?;
            }
        }
        Ok(Self { ca: at("ca.pem"), other: at("other.pem") })
    }
}

fn request(key: &Path, subject: &str) -> Command {
    let mut make = Command::new("openssl");
    make.args(["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    make.args(["-subj", subject, "-keyout"]).arg(key);
    make
}
