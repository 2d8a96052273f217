//! Objects that look like a JWS and are none we take: each with its name, and well signed but for what it is named for.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use zeroid_jose::{SigningAlgorithm, SigningKey, sha256};

use crate::trap::Trap;

/// A JWS of any header and payload, as texts.
pub(crate) fn signed(key: &SigningKey, header: &str, payload: &str) -> String {
    key.dangerous_sign_input(&input(header, payload)).unwrap()
}

fn input(header: &str, payload: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
}

/// Every forgery of an object with this header and these claims, which `key` would sign. Each call of `claims` gives
/// fresh ones, so that nothing is refused for being used.
pub(crate) fn forgeries(
    key: &SigningKey,
    header: &Value,
    claims: &dyn Fn() -> Value,
    trap: &Trap,
) -> Vec<(String, String)> {
    let mut made = unsigned(key, header, claims);
    made.extend(keyed_by_what_is_public(key, header, claims));
    made.extend(other_algorithms(key, header, claims));
    made.extend(headers_that_choose(key, header, claims, trap));
    made.extend(members_twice(key, header, claims));
    made.extend(other_encodings(key, header, claims));
    made.extend(other_signatures(key, header, claims));
    made
}

fn with(header: &Value, name: &str, value: Value) -> Value {
    let mut header = header.clone();
    header[name] = value;
    header
}

/// RFC 8725 §3.2, RFC 7518 §3.6: no signature at all.
fn unsigned(key: &SigningKey, header: &Value, claims: &dyn Fn() -> Value) -> Vec<(String, String)> {
    let mut made = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = with(header, "alg", json!(alg)).to_string();
        made.push((
            format!("alg `{alg}`, no signature"),
            format!("{}.", input(&header, &claims().to_string())),
        ));
        made.push((format!("alg `{alg}`, signed"), signed(key, &header, &claims().to_string())));
    }
    made
}

/// RFC 8725 §2.1, §3.1: a public key taken for the secret of an HMAC.
fn keyed_by_what_is_public(
    key: &SigningKey,
    header: &Value,
    claims: &dyn Fn() -> Value,
) -> Vec<(String, String)> {
    let public = key.public();
    let pem = public.to_pem();
    let jwk = public.jwk(key.kid().as_str(), "sig");
    let point = [jwk.x.as_deref(), jwk.y.as_deref()].into_iter().flatten();
    let point: Vec<u8> = point.flat_map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    let secrets = [
        ("PEM", pem.as_bytes().to_vec()),
        ("PEM without its last line break", pem.trim_end().as_bytes().to_vec()),
        ("SubjectPublicKeyInfo", public.spki_der()),
        ("JWK", json!(jwk).to_string().into_bytes()),
        ("point", point),
        ("thumbprint", public.thumbprint().as_str().as_bytes().to_vec()),
        ("nothing", Vec::new()),
    ];
    let by = |(name, secret): (&str, Vec<u8>)| {
        let header = with(header, "alg", json!("HS256")).to_string();
        let input = input(&header, &claims().to_string());
        let mac = URL_SAFE_NO_PAD.encode(hmac_sha256(&secret, input.as_bytes()));
        (format!("HS256 by {name}"), format!("{input}.{mac}"))
    };
    secrets.into_iter().map(by).collect()
}

/// RFC 2104.
fn hmac_sha256(secret: &[u8], message: &[u8]) -> [u8; 32] {
    let hashed = sha256(secret);
    let short = if secret.len() > 64 { &hashed[..] } else { secret };
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(short).for_each(|(at, secret)| *at ^= secret);
        block.to_vec()
    };
    let inner = sha256(&[pad(0x36), message.to_vec()].concat());
    sha256(&[pad(0x5c), inner.to_vec()].concat())
}

#[test]
fn rfc4231_section_4_3_the_hmac_of_these_tests() {
    let mac = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
    assert_eq!(mac[..4], [0x5b, 0xdc, 0xc1, 0x46]);
}

/// RFC 8725 §3.1: the algorithm is the key's.
fn other_algorithms(key: &SigningKey, header: &Value, claims: &dyn Fn() -> Value) -> Vec<(String, String)> {
    let mut made = Vec::new();
    let others = [
        "ES384", "ES512", "ES256K", "RS256", "RS384", "PS256", "EdDSA", "Ed25519", "HS256", "HS512", "es256",
        "ES256 ", "dir",
    ];
    for alg in others {
        let header = with(header, "alg", json!(alg)).to_string();
        made.push((
            format!("alg `{alg}` over an ES256 signature"),
            signed(key, &header, &claims().to_string()),
        ));
    }
    for (name, alg) in [("null", Value::Null), ("a list", json!(["ES256"])), ("a number", json!(256))] {
        let header = with(header, "alg", alg).to_string();
        made.push((format!("alg that is {name}"), signed(key, &header, &claims().to_string())));
    }
    let mut bare = header.clone();
    bare.as_object_mut().unwrap().remove("alg");
    made.push(("no alg".to_owned(), signed(key, &bare.to_string(), &claims().to_string())));
    // The other way round: what the header says is what the key is not.
    let (edwards, _) = SigningKey::generate_for(SigningAlgorithm::EdDsa).unwrap();
    for alg in ["ES256", "EdDSA"] {
        let header = with(header, "alg", json!(alg)).to_string();
        made.push((
            format!("alg `{alg}` by an Ed25519 key"),
            signed(&edwards, &header, &claims().to_string()),
        ));
    }
    made
}

/// RFC 7515 §4.1, RFC 8725 §3.10: a header chooses no key, and what it calls critical is not passed over.
fn headers_that_choose(
    key: &SigningKey,
    header: &Value,
    claims: &dyn Fn() -> Value,
    trap: &Trap,
) -> Vec<(String, String)> {
    let (stranger, _) = SigningKey::generate().unwrap();
    let at = format!("http://{}/keys", trap.address);
    let jwk = |key: &SigningKey| json!(key.public().jwk(key.kid().as_str(), "sig"));
    let mut private = jwk(key);
    private["d"] = json!(URL_SAFE_NO_PAD.encode([1; 32]));
    let mut members = vec![
        ("jku", json!(at)),
        ("x5u", json!(at)),
        ("x5c", json!(["AAAA"])),
        ("crit", json!([])),
        ("crit", json!(["exp"])),
        ("crit", json!(["b64"])),
        ("b64", json!(true)),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("jwk", private),
        ("jwk", json!({"kty": "oct", "k": "AAAA"})),
        ("jwk", Value::Null),
        ("jwk", json!({"kty": "EC", "crv": "P-256", "jku": at})),
    ];
    let is_proof = header.get("jwk").is_some();
    if !is_proof {
        members.push(("jwk", jwk(key)));
        members.push(("jwk", jwk(&stranger)));
    }
    let mut made = Vec::new();
    for (name, value) in members {
        let told = format!("{name}: {value}");
        let header = with(header, name, value);
        made.push((told.clone(), signed(key, &header.to_string(), &claims().to_string())));
        // Signed by whom the header names, as an attacker would.
        let by_stranger = signed(&stranger, &header.to_string(), &claims().to_string());
        made.push((format!("{told}, by a stranger"), by_stranger));
    }
    // A key that is in no header and nowhere else either.
    made.push(("a stranger's".to_owned(), signed(&stranger, &header.to_string(), &claims().to_string())));
    for kid in ["../../../../dev/null", "' OR 1=1 --", "\u{0}", at.as_str()] {
        let header = with(header, "kid", json!(kid)).to_string();
        made.push((format!("a stranger's, kid {kid:?}"), signed(&stranger, &header, &claims().to_string())));
    }
    made
}

/// RFC 8725 §2.4 and RFC 7519 §4, §7.2: two members of one name have two readings.
fn members_twice(key: &SigningKey, header: &Value, claims: &dyn Fn() -> Value) -> Vec<(String, String)> {
    let twice = |json: &Value, name: &str, value: &Value, first: bool| {
        let text = json.to_string();
        let member = format!("{}:{value}", json!(name));
        match first {
            true => format!("{{{member},{}", &text[1..]),
            false => format!("{},{member}}}", &text[..text.len() - 1]),
        }
    };
    let mut made = Vec::new();
    for first in [true, false] {
        for name in ["alg", "typ"] {
            let again = header.get(name).cloned().unwrap_or(json!("JWT"));
            for value in [again, json!("none")] {
                let header = twice(&with(header, "typ", header["typ"].clone()), name, &value, first);
                let told = format!("header `{name}` twice, {value}");
                made.push((told, signed(key, &header, &claims().to_string())));
            }
        }
        let own = claims();
        for name in own.as_object().unwrap().keys() {
            let claims = claims();
            let payload = twice(&claims, name, &claims[name], first);
            made.push((format!("claim `{name}` twice"), signed(key, &header.to_string(), &payload)));
        }
        let (escaped, own) = (header.to_string().replace("\"alg\"", "\"\\u0061lg\""), header.to_string());
        let both = format!("{},{}", &own[..own.len() - 1], &escaped[1..]);
        made.push(("header twice, once escaped".to_owned(), signed(key, &both, &claims().to_string())));
    }
    for (name, payload) in [("a list", "[]"), ("a text", "\"x\""), ("nothing", ""), ("null", "null")] {
        made.push((format!("payload that is {name}"), signed(key, &header.to_string(), payload)));
        made.push((format!("header that is {name}"), signed(key, payload, &claims().to_string())));
    }
    let more = format!("{} {{}}", claims());
    made.push(("payload of two objects".to_owned(), signed(key, &header.to_string(), &more)));
    made
}

/// RFC 7515 §2, §7.1: base64url without padding, line breaks or other characters, of which there is one only.
fn other_encodings(key: &SigningKey, header: &Value, claims: &dyn Fn() -> Value) -> Vec<(String, String)> {
    // A length that leaves bits over in both parts, and a byte that the alphabets write differently.
    let uneven = |text: String| {
        let mut text = text.replacen('{', "{ ", 1);
        while text.len() % 3 != 1 {
            text = text.replacen('{', "{ ", 1);
        }
        text
    };
    let (header, payload) = (uneven(header.to_string()), move || uneven(claims().to_string()));
    let mut made = Vec::new();
    let mut sign = |name: &str, header: String, payload: String| {
        made.push((name.to_owned(), key.dangerous_sign_input(&format!("{header}.{payload}")).unwrap()));
    };
    let plain = |text: &str| URL_SAFE_NO_PAD.encode(text);
    sign("padded header", URL_SAFE.encode(&header), plain(&payload()));
    sign("padded payload", plain(&header), URL_SAFE.encode(payload()));
    sign("bits left over in the header", loosened(&plain(&header)), plain(&payload()));
    sign("bits left over in the payload", plain(&header), loosened(&plain(&payload())));
    let standard = |text: &str| STANDARD_NO_PAD.encode(text.replacen("{ ", "{\"~~~???\":\"~~~???>>>\", ", 1));
    let foreign = standard(&payload());
    assert!(foreign.contains(['+', '/']), "nothing to tell the alphabets apart: {foreign}");
    sign("the other alphabet", plain(&header), foreign);
    for (name, inside) in [("a line break", "\n"), ("a space", " "), ("a NUL", "\0"), ("no ASCII", "\u{e4}")]
    {
        let split = |text: String| format!("{}{inside}{}", &text[..4], &text[4..]);
        sign(&format!("{name} in the header"), split(plain(&header)), plain(&payload()));
        sign(&format!("{name} in the payload"), plain(&header), split(plain(&payload())));
    }
    let good = key.dangerous_sign_input(&format!("{}.{}", plain(&header), plain(&payload()))).unwrap();
    let (signed_part, signature) = good.rsplit_once('.').unwrap();
    made.push(("padded signature".to_owned(), format!("{good}==")));
    made.push((
        "bits left over in the signature".to_owned(),
        format!("{signed_part}.{}", loosened(signature)),
    ));
    made.push(("a fourth part".to_owned(), format!("{good}.")));
    made.push(("five parts, as of a JWE".to_owned(), format!("{good}.AAAA.AAAA")));
    let (head, body) = signed_part.split_once('.').unwrap();
    let flattened = json!({"protected": head, "payload": body, "signature": signature});
    made.push(("the flattened JSON serialization".to_owned(), flattened.to_string()));
    let general = json!({"payload": body, "signatures": [{"protected": head, "signature": signature}]});
    made.push(("the general JSON serialization".to_owned(), general.to_string()));
    made
}

/// The same bytes to who does not look: unused bits of the last character are set.
fn loosened(part: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = part.split_at(part.len() - 1);
    let value = ALPHABET.find(last).unwrap();
    assert!(!part.len().is_multiple_of(4), "no bits are left over in {part}");
    format!("{rest}{}", &ALPHABET[value + 1..=value + 1])
}

/// RFC 7518 §3.4: 64 bytes, r and s, each within the order of the curve and not zero.
fn other_signatures(key: &SigningKey, header: &Value, claims: &dyn Fn() -> Value) -> Vec<(String, String)> {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let own = signed(key, &header.to_string(), &claims().to_string());
    let (_, own) = own.rsplit_once('.').unwrap();
    let own = URL_SAFE_NO_PAD.decode(own).unwrap();
    let der = |r: &[u8], s: &[u8]| {
        let half = |part: &[u8]| [&[2, 33, 0], part].concat();
        let both = [half(r), half(s)].concat();
        [&[0x30, u8::try_from(both.len()).unwrap()], &both[..]].concat()
    };
    let signatures = [
        ("empty", Vec::new()),
        ("zero", vec![0; 64]),
        ("the order of the curve", ORDER.repeat(2)),
        ("of another message", own.clone()),
        ("in DER", der(&own[..32], &own[32..])),
        ("too short", own[..63].to_vec()),
        ("too long", [&own[..], &[0]].concat()),
    ];
    let under = |(name, signature): (&str, Vec<u8>)| {
        let input = input(&header.to_string(), &claims().to_string());
        (format!("a signature that is {name}"), format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
    };
    signatures.into_iter().map(under).collect()
}
