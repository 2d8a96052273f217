//! What the URL of a database says, and what may be repeated of it.

/// How libpq and OpenSSL begin what they say of a connection that failed; everything else it says is about the URL, and
/// quotes from it.
const ABOUT_THE_CONNECTION: [&str; 2] = ["connection to server", "could not translate host name"];

/// Host and database, without user, password and settings.
pub(super) fn place(url: &str) -> String {
    let (authority, rest) = parts(url);
    let path = rest.split('?').next().unwrap_or_default();
    format!("postgresql://{}{path}", hosts_of(authority))
}

/// A host on another machine, if the URL names one and does not say whether it is to be verified.
pub(super) fn unverified_host(url: &str) -> Option<String> {
    let mode = setting(url, "sslmode").filter(|mode| !mode.is_empty());
    if mode.is_some() { None } else { remote_host(url) }
}

/// A host on another machine, if the URL names one.
pub(super) fn remote_host(url: &str) -> Option<String> {
    if let Some(service) = setting(url, "service") {
        return Some(format!("service {service}"));
    }
    let named = hosts_of(parts(url).0).split(',').map(without_port);
    let set = ["host", "hostaddr"].into_iter().filter_map(|name| setting(url, name));
    named.chain(set.flat_map(|hosts| hosts.split(','))).find(|host| !is_local(host)).map(str::to_owned)
}

/// Whether the server of this URL is asked to prove who it is.
pub(super) fn is_verified(url: &str) -> bool {
    let by_mode = setting(url, "sslmode").is_some_and(|mode| mode == "verify-full" || mode == "verify-ca");
    // libpq takes `sslrootcert=system` only with full verification, and makes it the default.
    by_mode || setting(url, "sslrootcert") == Some("system")
}

/// What libpq says, without anything secret of the URL: some messages repeat the part that they do not understand, and
/// a password with an unescaped `/` or `@` is such a part.
pub(super) fn redacted(url: &str, said: &str) -> String {
    let said = said.trim().replace('\n', "; ");
    if !ABOUT_THE_CONNECTION.iter().any(|begin| said.starts_with(begin)) {
        let plain = said.split('"').step_by(2).collect::<Vec<_>>().join("`…`");
        return format!("the database URL is not understood: {plain}");
    }
    let (authority, _) = parts(url);
    let of_user = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')).map(|(_, word)| word);
    let words = [of_user, setting(url, "password"), setting(url, "sslpassword")];
    let hide = |said: String, word: &str| {
        let said = said.replace(word, "…");
        said.replace(&decoded(word), "…")
    };
    words.into_iter().flatten().filter(|word| !word.is_empty()).fold(said, hide)
}

/// Whether a setting is in the URL.
pub(super) fn has(url: &str, name: &str) -> bool {
    setting(url, name).is_some()
}

/// The part with user and hosts, and what follows it.
fn parts(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()))
}

fn hosts_of(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts)
}

fn setting<'u>(url: &'u str, name: &str) -> Option<&'u str> {
    let (_, settings) = url.split_once('?')?;
    settings
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, it)| it)
}

fn without_port(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// A socket of this machine, or its loopback interface.
fn is_local(host: &str) -> bool {
    let host = decoded(host);
    let by_address = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    host.is_empty() || host.starts_with(['/', '@']) || host == "localhost" || by_address
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        (rest, _) = match (first, hex) {
            (b'%', Some(byte)) => (tail.get(2..).unwrap_or_default(), bytes.push(byte)),
            _ => (tail, bytes.push(*first)),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_another_machine_must_say_how_it_is_verified() {
        for (url, host) in [
            ("postgresql://db.example/zeroid", Some("db.example")),
            ("postgres://me:word@db.example:5432/zeroid", Some("db.example")),
            ("postgresql://localhost,db.example/zeroid", Some("db.example")),
            ("postgresql:///zeroid?host=10.0.0.1", Some("10.0.0.1")),
            ("postgresql://localhost/zeroid?hostaddr=10.0.0.1", Some("10.0.0.1")),
            ("postgresql://[2001:db8::1]:5432/zeroid", Some("2001:db8::1")),
            ("postgresql://127.0.0.1.example/zeroid", Some("127.0.0.1.example")),
            ("postgresql:///zeroid?service=x", Some("service x")),
            ("postgresql://db.example/zeroid?sslmode=", Some("db.example")),
            ("postgresql://db.example/zeroid?sslmode=verify-full", None),
            ("postgresql://db.example/zeroid?sslmode=disable", None),
            ("postgresql://me@localhost:5432/zeroid", None),
            ("postgresql://127.0.0.1/zeroid", None),
            ("postgresql://[::1]:5432/zeroid", None),
            ("postgresql:///zeroid", None),
            ("postgresql://%2Frun%2Fpostgresql/zeroid", None),
            ("postgresql:///zeroid?host=/run/postgresql", None),
        ] {
            assert_eq!(unverified_host(url).as_deref(), host, "{url}");
        }
    }

    #[test]
    fn which_modes_verify() {
        for (settings, verified) in [
            ("sslmode=verify-full", true),
            ("x=y&sslmode=verify-ca", true),
            ("sslrootcert=system", true),
            ("sslmode=require", false),
            ("sslrootcert=ca.pem", false),
        ] {
            assert_eq!(is_verified(&format!("postgresql://h/d?{settings}")), verified, "{settings}");
        }
    }

    #[test]
    fn nothing_secret_is_repeated() {
        let url = "postgresql://me:p%40ss@db.example/zeroid?password=w0rd";
        assert_eq!(place(url), "postgresql://db.example/zeroid");
        let said = "connection to server at \"db.example\" failed: p@ss p%40ss w0rd\nbad";
        assert_eq!(redacted(url, said), "connection to server at \"db.example\" failed: … … …; bad");
        let said = redacted(
            "postgresql://me:se/cret@h/d",
            "invalid integer value \"se\" for connection option \"port\"",
        );
        assert!(!said.contains("\"se\"") && said.contains("invalid integer value"), "{said}");
    }
}
