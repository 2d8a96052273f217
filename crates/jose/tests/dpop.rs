//! DPoP proofs: the examples of RFC 9449, and what a hostile sender would try.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PSS_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use support::{RFC7515_A2_N, rfc7515_a2_pkcs8};
use zeroid_identity_model::Timestamp;
use zeroid_jose::{
    ExpectedProof, JwsError, MasterKey, ProofError, PublicKeyError, SigningAlgorithm, SigningKey, TargetUri,
    check_proof, sha256,
};
use zeroid_token_core::{OAuthCode, ProvenKey};

/// RFC 9449 figure 2.
const FIGURE_2: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";

/// RFC 9449 figure 13: the access token, and the proof that came with it.
const FIGURE_13_TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
const FIGURE_13: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";

/// RFC 9449 §6.1: the thumbprint of that key.
const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

const NOW: i64 = 1_790_000_000;
const URI: &str = "https://id.example/oauth2/token";

fn target(uri: &str) -> [TargetUri; 1] {
    [uri.parse().unwrap()]
}

fn check(proof: &str, expected: &ExpectedProof<'_>) -> Result<ProvenKey, ProofError> {
    check_proof(proof, expected).map(|proven| proven.into_inner())
}

/// As the token endpoint would judge it.
fn judge(proof: &str) -> Result<ProvenKey, ProofError> {
    check(proof, &at_the_token_endpoint(&target(URI)))
}

fn at_the_token_endpoint(targets: &[TargetUri]) -> ExpectedProof<'_> {
    let now = Timestamp::from_unix_seconds(NOW);
    ExpectedProof { method: "POST", targets, token: None, key: None, body: None, nonces: None, now }
}

fn claims() -> Value {
    json!({"jti": "once", "htm": "POST", "htu": URI, "iat": NOW})
}

/// Claims with one changed; null takes it out.
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

fn key() -> SigningKey {
    SigningKey::generate().unwrap().0
}

fn signed(claims: &Value) -> String {
    key().sign_proof(claims.to_string().as_bytes()).unwrap()
}

/// A good proof under a header that was changed, with the signature it had.
fn under(change: impl FnOnce(&mut Value)) -> String {
    let proof = signed(&claims());
    let (header, rest) = proof.split_once('.').unwrap();
    let mut header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    change(&mut header);
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

#[test]
fn rfc9449_section_5_figure_2() {
    let targets = target("https://server.example.com/token");
    let now = Timestamp::from_unix_seconds(1_562_262_616);
    let expected = ExpectedProof { now, ..at_the_token_endpoint(&targets) };
    let proven = check(FIGURE_2, &expected).unwrap();
    assert_eq!((proven.thumbprint.as_str(), proven.jti.as_str()), (JKT, "-BwC3ESc6acc2lTc"));
    assert_eq!(proven.iat, 1_562_262_616);
    let altered = FIGURE_2.replace(".2-GxA6", ".2-GxA7");
    assert_eq!(check(&altered, &expected), Err(ProofError::Signature));
}

#[test]
fn rfc9449_section_7_1_figure_13() {
    let targets = target("https://resource.example.org/protectedresource");
    let jkt = JKT.parse().unwrap();
    let expected = ExpectedProof {
        method: "GET",
        targets: &targets,
        token: Some(FIGURE_13_TOKEN),
        key: Some(&jkt),
        body: None,
        nonces: None,
        now: Timestamp::from_unix_seconds(1_562_262_618),
    };
    assert_eq!(check(FIGURE_13, &expected).unwrap().jti, "e1j3V_bKic8-LAEB");
    let other = ExpectedProof { token: Some("another"), ..expected };
    assert_eq!(check(FIGURE_13, &other), Err(ProofError::Token));
    let other = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs".parse().unwrap();
    let other = ExpectedProof { key: Some(&other), ..expected };
    assert_eq!(check(FIGURE_13, &other), Err(ProofError::OtherKey));
}

#[test]
fn rfc9449_section_4_3_every_algorithm_we_name() {
    for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa] {
        let (key, _) = SigningKey::generate_for(algorithm).unwrap();
        let proof = key.sign_proof(claims().to_string().as_bytes()).unwrap();
        assert_eq!(&judge(&proof).unwrap().thumbprint, &key.public().thumbprint(), "{algorithm}");
    }
    let rsa = SigningKey::load(SigningAlgorithm::Rs256, &rfc7515_a2_pkcs8()).unwrap();
    let proof = rsa.sign_proof(claims().to_string().as_bytes()).unwrap();
    assert_eq!(judge(&proof).unwrap().thumbprint, rsa.public().thumbprint());
    assert_eq!(judge(&pss("PS256", json!({}))).unwrap().thumbprint, rsa.public().thumbprint());
    assert!(judge(&pss("PS256", json!({"alg": "PS256", "use": "sig"}))).is_ok());
    assert_eq!(judge(&pss("RS256", json!({}))), Err(ProofError::Signature), "the padding is what `alg` says");
    assert_eq!(judge(&pss("PS256", json!({"alg": "RS256"}))), Err(ProofError::Algorithm));
    assert_eq!(judge(&pss("PS256", json!({"use": "enc"}))), Err(ProofError::Algorithm));
    assert_eq!(judge(&pss("PS384", json!({}))), Err(ProofError::Algorithm));
}

#[test]
fn rfc9864_ed25519_is_eddsa() {
    let (key, pkcs8) = SigningKey::generate_for(SigningAlgorithm::EdDsa).unwrap();
    let mut jwk = json!(key.public().jwk("", ""));
    jwk.as_object_mut().unwrap().retain(|name, _| ["kty", "crv", "x"].contains(&name.as_str()));
    let header = json!({"typ": "dpop+jwt", "alg": "Ed25519", "jwk": jwk});
    let input = input(&header, &claims());
    let pair = ring::signature::Ed25519KeyPair::from_pkcs8(&pkcs8).unwrap();
    let proof = format!("{input}.{}", URL_SAFE_NO_PAD.encode(pair.sign(input.as_bytes())));
    assert_eq!(judge(&proof).unwrap().thumbprint, key.public().thumbprint());
}

fn input(header: &Value, claims: &Value) -> String {
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encoded(header), encoded(claims))
}

/// A proof by the RSA key of RFC 7515 A.2 with PSS, whatever its header says; more members of the JWK.
fn pss(alg: &str, more: Value) -> String {
    let mut jwk = json!({"kty": "RSA", "n": RFC7515_A2_N, "e": "AQAB"});
    more.as_object().unwrap().iter().for_each(|(name, value)| jwk[name] = value.clone());
    let input = input(&json!({"typ": "dpop+jwt", "alg": alg, "jwk": jwk}), &claims());
    let pair = RsaKeyPair::from_pkcs8(&rfc7515_a2_pkcs8()).unwrap();
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PSS_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn rfc9449_section_4_2_the_header() {
    assert!(judge(&signed(&claims())).is_ok());
    for typ in [json!("JWT"), json!("DPOP+JWT"), json!("application/dpop+jwt"), json!(7), Value::Null] {
        assert_eq!(judge(&under(|header| header["typ"] = typ.clone())), Err(ProofError::Typ), "{typ}");
    }
    for alg in ["none", "HS256", "HS512", "ES384", "es256", "RS256", "PS256", "EdDSA", "Ed25519", ""] {
        assert_eq!(judge(&under(|header| header["alg"] = json!(alg))), Err(ProofError::Algorithm), "{alg}");
    }
    for member in ["crit", "b64", "jku", "x5u", "x5c", "zip"] {
        let refused = judge(&under(|header| header[member] = json!("x")));
        assert_eq!(refused, Err(JwsError::Refused(member).into()), "{member}");
    }
    for jwk in [Value::Null, json!("x"), json!([]), json!({}), json!({"kty": 7})] {
        assert_eq!(judge(&under(|header| header["jwk"] = jwk.clone())), Err(ProofError::NoKey), "{jwk}");
    }
    for private in ["d", "k", "p", "q", "dp", "dq", "qi", "oth"] {
        let refused = judge(&under(|header| header["jwk"][private] = json!("x")));
        assert_eq!(refused, Err(ProofError::PrivateKey(private)), "{private}");
    }
    let of = |kind: Value| judge(&under(|header| header["jwk"] = kind));
    assert_eq!(of(json!({"kty": "oct"})), Err(PublicKeyError::UnknownKind.into()));
    assert_eq!(
        of(json!({"kty": "EC", "crv": "P-384", "x": "x", "y": "y"})),
        Err(PublicKeyError::NotP256.into())
    );
    assert_eq!(of(json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"})), Err(PublicKeyError::NotRsa.into()));
    // A point that is on no curve is no key, however it signs.
    let nowhere = URL_SAFE_NO_PAD.encode([1; 32]);
    let point = json!({"kty": "EC", "crv": "P-256", "x": nowhere, "y": nowhere});
    assert_eq!(of(point), Err(ProofError::Signature));
    let doubled = under(|_| ()).split_once('.').map(|(_, rest)| rest.to_owned()).unwrap();
    let doubled = format!("{}.{doubled}", URL_SAFE_NO_PAD.encode(r#"{"typ":"dpop+jwt","typ":"dpop+jwt"}"#));
    assert!(matches!(judge(&doubled), Err(ProofError::Jws(JwsError::Header(_)))));
}

#[test]
fn rfc9449_section_4_2_the_claims() {
    for name in ["jti", "htm", "htu"] {
        for wrong in [Value::Null, json!(""), json!(7), json!(["POST"])] {
            let refused = judge(&signed(&with(name, wrong.clone())));
            assert_eq!(refused, Err(ProofError::Claim(name)), "{name} {wrong}");
        }
    }
    assert!(judge(&signed(&with("jti", json!("x".repeat(512))))).is_ok());
    assert_eq!(judge(&signed(&with("jti", json!("x".repeat(513))))), Err(ProofError::Claim("jti")));
    for method in ["post", "GET", "POST "] {
        assert_eq!(judge(&signed(&with("htm", json!(method)))), Err(ProofError::Method), "{method}");
    }
    for uri in ["HTTPS://ID.example:443/oauth2/token", "https://id.example/oauth2/token?a=b#c"] {
        assert!(judge(&signed(&with("htu", json!(uri)))).is_ok(), "{uri}");
    }
    for uri in [
        "http://id.example/oauth2/token",
        "https://id.example/oauth2/token/",
        "https://id.example/OAuth2/token",
        "https://id.example:8443/oauth2/token",
        "https://evil.example/oauth2/token",
        "https://id.example/",
    ] {
        assert_eq!(judge(&signed(&with("htu", json!(uri)))), Err(ProofError::Target), "{uri}");
    }
    for uri in ["/oauth2/token", "https://me@id.example/oauth2/token"] {
        assert_eq!(judge(&signed(&with("htu", json!(uri)))), Err(ProofError::Claim("htu")), "{uri}");
    }
    let twice = key().sign_proof(br#"{"jti":"a","jti":"b"}"#).unwrap();
    assert!(matches!(judge(&twice), Err(ProofError::Payload(_))));
    let array = key().sign_proof(b"[]").unwrap();
    assert!(matches!(judge(&array), Err(ProofError::Payload(_))));
}

#[test]
fn rfc9449_section_4_3_11_the_time() {
    let at = |name: &str, value: Value| judge(&signed(&with(name, value)));
    for good in [json!(NOW - 65), json!(NOW), json!(NOW + 5), json!(1_790_000_000.75)] {
        assert!(at("iat", good.clone()).is_ok(), "{good}");
    }
    for bad in [json!(NOW - 66), json!(NOW + 6), json!(0), json!(i64::MAX), json!(-1)] {
        assert_eq!(at("iat", bad.clone()), Err(ProofError::Time("iat")), "{bad}");
    }
    for bad in [Value::Null, json!("1790000000"), json!(1e300), json!(-0.5), json!({})] {
        assert_eq!(at("iat", bad.clone()), Err(ProofError::Claim("iat")), "{bad}");
    }
    assert!(at("exp", json!(NOW - 5)).is_ok() && at("nbf", json!(NOW + 5)).is_ok());
    assert_eq!(at("exp", json!(NOW - 6)), Err(ProofError::Time("exp")));
    assert_eq!(at("nbf", json!(NOW + 6)), Err(ProofError::Time("nbf")));
    assert_eq!(at("exp", json!("soon")), Err(ProofError::Claim("exp")));
}

#[test]
fn rfc9449_section_7_the_access_token_and_the_body() {
    let targets = target(URI);
    let expected =
        ExpectedProof { token: Some("a.b.c"), body: Some(b"{}"), ..at_the_token_endpoint(&targets) };
    let ath = || json!(URL_SAFE_NO_PAD.encode(sha256(b"a.b.c")));
    let bh = |body: &[u8]| json!(URL_SAFE_NO_PAD.encode(sha256(body)));
    let judge = |ath: Value, bh: Value| {
        let mut claims = with("ath", ath);
        if !bh.is_null() {
            claims["bh"] = bh;
        }
        check(&signed(&claims), &expected).map(|_| ())
    };
    assert_eq!(judge(ath(), Value::Null), Ok(()), "a proof need not name the body");
    assert_eq!(judge(ath(), bh(b"{}")), Ok(()));
    assert_eq!(judge(ath(), bh(b"{ }")), Err(ProofError::Body));
    assert_eq!(judge(ath(), json!(7)), Err(ProofError::Body));
    for wrong in [Value::Null, json!(""), json!("a.b.c"), bh(b"a.b.d")] {
        assert_eq!(judge(wrong.clone(), Value::Null), Err(ProofError::Token), "{wrong}");
    }
}

#[test]
fn rfc9449_section_8_a_nonce_that_is_demanded() {
    let master = MasterKey::from_bytes([7; 32]).unwrap();
    let targets = target(URI);
    let expected = ExpectedProof { nonces: Some(&master), ..at_the_token_endpoint(&targets) };
    let now = Timestamp::from_unix_seconds(NOW);
    let good = signed(&with("nonce", json!(master.dpop_nonce(now))));
    assert!(check(&good, &expected).is_ok());
    assert!(judge(&good).is_ok(), "a nonce that nobody demands is no fault");
    let stale = json!(master.dpop_nonce(now.plus_seconds(-600)));
    for nonce in [Value::Null, json!("x"), json!(7), stale] {
        let refused = check(&signed(&with("nonce", nonce.clone())), &expected).unwrap_err();
        assert_eq!(refused, ProofError::Nonce, "{nonce}");
        assert_eq!(refused.oauth_code(), OAuthCode::UseDpopNonce);
    }
    assert_eq!(ProofError::Signature.oauth_code(), OAuthCode::InvalidDpopProof);
}

#[test]
fn a_proof_has_one_form_and_its_bounds() {
    let proof = signed(&claims());
    for wrong in ["", ".", "..", "a.b", &format!("{proof}."), &format!("{proof}="), &format!(" {proof}")] {
        assert!(matches!(judge(wrong), Err(ProofError::Jws(_))), "{wrong}");
    }
    let long = signed(&with("x", json!("x".repeat(8192))));
    assert!(matches!(judge(&long), Err(ProofError::Jws(JwsError::TooLong { .. }))));
    let wide = under(|header| header["x"] = json!("x".repeat(2048)));
    assert_eq!(judge(&wide), Err(JwsError::NotCompact.into()));
    // By another key than the one in the header.
    let other = signed(&claims());
    let (header, rest) = (proof.split_once('.').unwrap().0, other.split_once('.').unwrap().1);
    assert_eq!(judge(&format!("{header}.{rest}")), Err(ProofError::Signature));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_proof_with_one_character_changed_is_no_proof(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.-]") {
        let proof = signed(&claims());
        let at = at.index(proof.len());
        let mut altered = proof.clone();
        altered.replace_range(at..=at, &to);
        prop_assume!(altered != proof);
        prop_assert!(judge(&altered).is_err());
    }

    #[test]
    fn any_text_is_refused(text in any::<String>()) {
        prop_assert!(judge(&text).is_err());
    }
}
