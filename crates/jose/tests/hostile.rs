//! What a hostile sender would try.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use zeroid_identity_model::Timestamp;
use zeroid_jose::{
    HashPurpose, JwsError, KeyKeeper, KeyPlace, KeyRing, KeyRingError, KeyState, MasterKey, PublicKey,
    PublicKeyError, RotateError, Rotation, SigningAlgorithm, SigningKey, SystemRandom, WrapError,
    generate_secret, match_digest, parse, uuid_v7_bytes, verify,
};

fn key() -> SigningKey {
    SigningKey::generate().unwrap().0
}

/// What makes ES256 keys under a master key of these bytes.
fn keeper(bytes: u8) -> KeyKeeper {
    KeyKeeper {
        master: Arc::new(MasterKey::from_bytes([bytes; 32]).unwrap()),
        random: Arc::new(SystemRandom::new()),
        algorithm: SigningAlgorithm::Es256,
        place: KeyPlace::Here,
        signer: None,
    }
}

/// A token of ours under another header, with the signature it had.
fn under_header(token: &str, header: &str) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
}

#[test]
fn the_algorithm_comes_from_the_key() {
    let key = key();
    let token = key.sign("at+jwt", b"{}").unwrap();
    for alg in ["none", "None", "HS256", "RS256", "ES384", "PS256", "EdDSA", "es256", ""] {
        let forged = under_header(&token, &format!(r#"{{"alg":"{alg}","typ":"at+jwt"}}"#));
        assert_eq!(verify(parse(&forged).unwrap(), key.public()).unwrap_err(), JwsError::Algorithm, "{alg}");
    }
    // An HMAC keyed with the public key is no signature.
    let forged = under_header(&token, r#"{"alg":"ES256"}"#);
    assert_eq!(verify(parse(&forged).unwrap(), key.public()).unwrap_err(), JwsError::Signature);
}

#[test]
fn headers_that_choose_the_key_or_the_rules_are_refused() {
    let token = key().sign("at+jwt", b"{}").unwrap();
    for member in ["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"] {
        let forged = under_header(&token, &format!(r#"{{"alg":"ES256","{member}":"x"}}"#));
        assert!(matches!(parse(&forged).unwrap_err(), JwsError::Refused(_)), "{member}");
    }
    for header in [
        r#"{"alg":"ES256","alg":"none"}"#,
        r#"{"alg":"ES256","a":{"b":1,"b":2}}"#,
        r#"["ES256"]"#,
        r#"{"alg":"ES256"} "x""#,
        "{",
        "",
    ] {
        assert!(matches!(parse(&under_header(&token, header)).unwrap_err(), JwsError::Header(_)), "{header}");
    }
    for header in
        [r#"{"typ":"JWT"}"#, r#"{"alg":7}"#, r#"{"alg":"ES256","kid":7}"#, r#"{"alg":"ES256","typ":null}"#]
    {
        assert!(matches!(parse(&under_header(&token, header)).unwrap_err(), JwsError::Member(_)), "{header}");
    }
    let long = under_header(&token, &format!(r#"{{"alg":"ES256","x":"{}"}}"#, "x".repeat(1024)));
    assert!(parse(&long).is_err());
}

#[test]
fn only_the_canonical_compact_form_is_read() {
    let token = key().sign("at+jwt", b"{\"a\":1}").unwrap();
    assert!(parse(&token).is_ok());
    let parts: Vec<&str> = token.split('.').collect();
    for bad in [
        String::new(),
        ".".to_owned(),
        "a.b".to_owned(),
        format!("{token}."),
        format!("{token}.x"),
        format!("{token}="),
        format!(" {token}"),
        format!("{token}\n"),
        token.replace('.', ".."),
        format!("{}+.{}.{}", parts[0], parts[1], parts[2]),
        format!("{}.{}B.{}", parts[0], parts[1], parts[2]),
        "A".repeat(8193),
    ] {
        assert!(parse(&bad).is_err(), "{bad}");
    }
    // 64 bytes are 86 characters, the last of which has four bits that must be zero.
    let last = token.chars().last().unwrap();
    let altered = format!(
        "{}{}",
        &token[..token.len() - 1],
        if last == 'A' { 'B' } else { char::from(last as u8 + 1) }
    );
    assert!(parse(&altered).is_err() || altered.len() != token.len());
}

#[test]
fn public_keys_must_be_points_of_p256() {
    let pem = key().public().to_pem();
    assert!(PublicKey::import_pem(&pem).is_ok());
    let der = key().public().spki_der();
    let with = |der: &[u8]| {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        PublicKey::import_pem(&format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----"))
    };
    let mut off = der.clone();
    off[64] ^= 1;
    assert_eq!(with(&off), Err(PublicKeyError::NotOnCurve));
    let mut compressed = der.clone();
    compressed[26] = 2;
    assert_eq!(with(&compressed), Err(PublicKeyError::NotP256));
    assert_eq!(with(&der[..der.len() - 1]), Err(PublicKeyError::NotP256));
    assert_eq!(with(&[der.as_slice(), &[0]].concat()), Err(PublicKeyError::NotP256));
    assert_eq!(PublicKey::import_pem(&"x".repeat(2000)), Err(PublicKeyError::TooLong));
    for bad in ["", "nonsense", &pem.replace("PUBLIC", "PRIVATE"), &format!("{pem}{pem}")] {
        assert_eq!(PublicKey::import_pem(bad), Err(PublicKeyError::NotPem));
    }
}

#[test]
fn the_digest_covers_every_byte_and_needs_the_master_key() {
    let (key, master) = (key(), MasterKey::from_bytes([1; 32]).unwrap());
    let token = key.sign("at+jwt", b"{}").unwrap();
    let digest = master.token_digest(&token);
    assert!(match_digest(parse(&token).unwrap(), &master, &digest).is_ok());
    let other = MasterKey::from_bytes([2; 32]).unwrap();
    assert!(match_digest(parse(&token).unwrap(), &other, &digest).is_err());
    let second = key.sign("at+jwt", b"{}").unwrap();
    assert!(match_digest(parse(&second).unwrap(), &master, &digest).is_err());
    assert!(match_digest(parse(&second).unwrap(), &master, &digest).is_err(), "parts of another text");
}

#[test]
fn wrapped_keys_open_only_whole_in_place_and_under_their_master() {
    let (random, master) = (SystemRandom::new(), MasterKey::from_bytes([1; 32]).unwrap());
    let wrapped = master.wrap(&random, b"here", b"secret").unwrap();
    assert_eq!(master.unwrap(b"here", &wrapped).unwrap().as_slice(), b"secret");
    assert_eq!(master.unwrap(b"there", &wrapped).unwrap_err(), WrapError::DoesNotOpen);
    assert!(MasterKey::from_bytes([2; 32]).unwrap().unwrap(b"here", &wrapped).is_err());
    for at in 0..wrapped.len() {
        let mut altered = wrapped.clone();
        altered[at] ^= 1;
        assert!(master.unwrap(b"here", &altered).is_err(), "byte {at}");
        assert!(master.unwrap(b"here", &wrapped[..at]).is_err(), "{at} bytes");
    }
}

#[test]
fn secrets_print_nothing_and_hashes_do_not_mix() {
    let random = SystemRandom::new();
    let secret = generate_secret(&random, "zid_sk_").unwrap();
    assert_eq!(secret.expose().len(), 50);
    assert!(!format!("{secret:?} {secret}").contains(&secret.expose()[7..]));
    let master = MasterKey::from_bytes([1; 32]).unwrap();
    assert_eq!(MasterKey::parse(master.to_text().expose()).unwrap().check_value(), master.check_value());
    assert!(!format!("{master:?}").contains(master.to_text().expose()));
    assert_ne!(
        master.keyed_hash(HashPurpose::ApiKey, b"x"),
        master.keyed_hash(HashPurpose::OperatorKey, b"x")
    );
    for bad in ["", "short", &"x".repeat(43).replace('x', "+"), &"g".repeat(64)] {
        assert!(MasterKey::parse(bad).is_err());
    }
    assert!(MasterKey::parse(&"ab".repeat(32)).is_ok());
}

#[test]
fn uuid_v7_carries_its_millisecond() {
    let now = Timestamp::from_micros(1_790_000_000_123_456);
    let bytes = uuid_v7_bytes(now, &SystemRandom::new()).unwrap();
    let millis = bytes[..6].iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    assert_eq!(millis, 1_790_000_000_123);
    assert_eq!((bytes[6] >> 4, bytes[8] >> 6), (7, 2));
}

#[test]
fn what_is_known_of_a_header_is_what_it_says() {
    let (ring, _) = KeyRing::create(&keeper(1), Timestamp::from_unix_seconds(1_790_000_000)).unwrap();
    for typ in ["at+jwt", "JWT", "logout+jwt"] {
        let token = ring.signer().sign(typ, b"{}").unwrap();
        let (known, read) = (ring.parse(&token).unwrap(), parse(&token).unwrap());
        assert_eq!(known.peek().header, read.peek().header, "{typ}");
        assert!(verify(known, ring.verifier(ring.signer().kid().as_str()).unwrap()).is_ok());
        // One character more or less, and it is another header.
        let other = token.replacen('.', "A.", 1);
        assert_eq!(ring.parse(&other).is_err(), parse(&other).is_err());
        assert_eq!(ring.parse(token.get(1..).unwrap()).is_err(), parse(token.get(1..).unwrap()).is_err());
    }
}

#[test]
fn keys_are_published_before_they_sign_and_verify_until_they_retire() {
    let keeper = keeper(1);
    let at = |seconds: i64| Timestamp::from_unix_seconds(1_790_000_000 + seconds);
    let (ring, _) = KeyRing::create(&keeper, at(0)).unwrap();
    assert_eq!(ring.jwks().keys.len(), 2);
    let first = ring.signer().kid().clone();
    let fresh = ring.rotate(&keeper, at(359), Rotation::Planned).unwrap_err();
    assert_eq!(fresh, RotateError::TooFresh { published_for: 359 });
    let (second, stored) = ring.rotate(&keeper, at(360), Rotation::Planned).unwrap();
    assert_ne!(second.signer().kid(), &first);
    assert!(ring.jwks().keys.iter().any(|key| key.kid.as_deref() == Some(second.signer().kid().as_str())));
    assert!(second.verifier(first.as_str()).is_some(), "what it signed is still good");
    assert!(second.retire_due(at(360 + 3599), 3600).is_none());
    let (later, _) = second.retire_due(at(360 + 3600), 3600).unwrap();
    assert!(later.verifier(first.as_str()).is_none());
    assert!(later.jwks().keys.iter().all(|key| key.kid.as_deref() != Some(first.as_str())));
    let (emergency, _) = second.rotate(&keeper, at(361), Rotation::Emergency).unwrap();
    assert!(emergency.verifier(second.signer().kid().as_str()).is_none(), "an emergency retires at once");
    assert!(KeyRing::load(&self::keeper(2), &stored).is_err());
    let mut two = stored.clone();
    two.iter_mut().for_each(|key| key.state = KeyState::Active);
    assert_eq!(KeyRing::load(&keeper, &two).unwrap_err(), KeyRingError::Active(3));
    assert_eq!(KeyRing::load(&keeper, &[]).unwrap_err(), KeyRingError::Active(0));
}

proptest! {
    #[test]
    fn reading_never_panics(text in "[A-Za-z0-9_.=-]{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn what_was_signed_verifies_and_nothing_else(claims in proptest::collection::vec(any::<u8>(), 0..200), flip in 0..400_usize) {
        let key = key();
        let token = key.sign("at+jwt", &claims).unwrap();
        let parsed = parse(&token).unwrap();
        prop_assert_eq!(&parsed.peek().payload, &claims);
        prop_assert!(verify(parsed, key.public()).is_ok());
        let mut bytes = token.into_bytes();
        let at = flip % bytes.len();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(bytes).unwrap();
        if let Ok(parsed) = parse(&altered) {
            prop_assert!(verify(parsed, key.public()).is_err());
        }
    }
}
