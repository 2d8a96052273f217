//! Three kinds of key, and everyone who would take one for another.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use support::{RFC7515_A2_N, rfc7515_a2_pkcs8};
use zeroid_identity_model::Timestamp;
use zeroid_jose::{
    Jwk, JwsError, KeyKeeper, KeyPlace, KeyRing, KeyRingError, KeyState, MasterKey, PublicKey,
    PublicKeyError, RotateError, Rotation, SignError, SigningAlgorithm, SigningKey, SystemRandom, parse,
    verify,
};

fn keys() -> [SigningKey; 3] {
    [
        SigningKey::generate_for(SigningAlgorithm::Es256).unwrap().0,
        SigningKey::load(SigningAlgorithm::Rs256, &rfc7515_a2_pkcs8()).unwrap(),
        SigningKey::generate_for(SigningAlgorithm::EdDsa).unwrap().0,
    ]
}

/// A token under another header, with the signature it had.
fn under_alg(token: &str, alg: &str) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}","typ":"at+jwt"}}"#)))
}

#[test]
fn each_kind_signs_and_verifies_under_its_own_name() {
    for (key, algorithm) in keys().iter().zip(SigningAlgorithm::ALL) {
        for typ in ["at+jwt", "JWT", "another"] {
            let token = key.sign(typ, b"{\"a\":1}").unwrap();
            let jws = parse(&token).unwrap();
            let header = &jws.peek().header;
            assert_eq!((header.alg.as_str(), header.typ.as_deref()), (algorithm.as_str(), Some(typ)));
            assert_eq!(header.kid.as_deref(), Some(key.kid().as_str()));
            assert_eq!(verify(jws, key.public()).unwrap().get().payload, b"{\"a\":1}");
        }
        assert_eq!(key.signs_in_passing(), algorithm != SigningAlgorithm::Rs256);
        assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
    }
    for unknown in ["none", "HS256", "RS512", "PS256", "es256", "ed25519", "Ed25519", ""] {
        assert!(unknown.parse::<SigningAlgorithm>().is_err(), "{unknown}");
    }
}

#[test]
fn no_kind_is_taken_for_another() {
    let keys = keys();
    for signer in &keys {
        let token = signer.sign("at+jwt", b"{}").unwrap();
        for key in &keys {
            let own = key.kid() == signer.kid();
            assert_eq!(verify(parse(&token).unwrap(), key.public()).is_ok(), own);
            if !own {
                // The header follows the key that is asked: the signature does not.
                let forged = under_alg(&token, key.public().algorithm().as_str());
                let refused = verify(parse(&forged).unwrap(), key.public()).unwrap_err();
                assert_eq!(refused, JwsError::Signature);
            }
        }
        for alg in ["none", "None", "HS256", "HS512", "RS512", "PS256", "ES384", "Ed25519", "eddsa", ""] {
            let forged = under_alg(&token, alg);
            let refused = verify(parse(&forged).unwrap(), signer.public()).unwrap_err();
            assert_eq!(refused, JwsError::Algorithm, "{alg}");
        }
    }
}

/// Everyone has the public key: as the secret of an HMAC it would make anyone an issuer.
#[test]
fn an_hmac_keyed_with_the_public_key_is_no_signature() {
    for key in keys() {
        let public = key.public();
        let jwk = serde_json::to_string(&public.jwk(key.kid().as_str(), "sig")).unwrap();
        let point = public.jwk("", "").x.map(|x| URL_SAFE_NO_PAD.decode(x).unwrap()).unwrap_or_default();
        let secrets = [
            public.to_pem().into_bytes(),
            public.to_pem().trim().into(),
            public.spki_der(),
            jwk.into(),
            point,
        ];
        for secret in secrets {
            for alg in ["HS256", public.algorithm().as_str()] {
                let header = format!(r#"{{"alg":"{alg}","kid":"{}","typ":"at+jwt"}}"#, key.kid());
                let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode("{}"));
                let mac = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
                let tag = ring::hmac::sign(&mac, input.as_bytes());
                let forged = format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag));
                assert!(verify(parse(&forged).unwrap(), public).is_err(), "{alg}");
            }
        }
    }
}

#[test]
fn every_kind_is_the_same_key_as_pem_in_one_encoding() {
    let pem = |der: &[u8]| {
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", STANDARD.encode(der))
    };
    for key in keys() {
        assert_eq!(PublicKey::import_pem(&key.public().to_pem()).as_ref(), Ok(key.public()));
        let der = key.public().spki_der();
        assert!(PublicKey::import_pem(&pem(&der[..der.len() - 1])).is_err());
        assert!(PublicKey::import_pem(&pem(&[der.as_slice(), &[0]].concat())).is_err());
        // Nothing that is changed is taken for the same key.
        for at in 0..der.len().min(40) {
            let mut altered = der.clone();
            altered[at] ^= 1;
            assert_ne!(PublicKey::import_pem(&pem(&altered)).as_ref(), Ok(key.public()), "byte {at}");
        }
    }
    // An RSA key whose outer length is written in three bytes instead of two.
    let der = keys()[1].public().spki_der();
    assert_eq!(der[..2], [0x30, 0x82]);
    let longer = [&[0x30, 0x83, 0x00], &der[2..]].concat();
    assert!(PublicKey::import_pem(&pem(&longer)).is_err());
}

#[test]
fn every_kind_is_the_same_key_as_a_jwk() {
    for key in keys() {
        let jwk = key.public().jwk(key.kid().as_str(), "sig");
        let text = serde_json::to_string(&jwk).unwrap();
        let read: Jwk = serde_json::from_str(&text).unwrap();
        let again = PublicKey::from_jwk(&read).unwrap();
        assert_eq!(&again, key.public());
        assert_eq!(again.thumbprint().as_str(), key.kid().as_str());
        // Only what the kind has, and nothing private.
        let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
        let mut names: Vec<&str> = members.keys().map(String::as_str).collect();
        names.sort_unstable();
        let expected: &[&str] = match key.public().algorithm() {
            SigningAlgorithm::Es256 => &["alg", "crv", "kid", "kty", "use", "x", "y"],
            SigningAlgorithm::Rs256 => &["alg", "e", "kid", "kty", "n", "use"],
            SigningAlgorithm::EdDsa => &["alg", "crv", "kid", "kty", "use", "x"],
        };
        assert_eq!(names, expected);
        // A key is for one algorithm.
        for alg in ["PS256", "HS256", "none", "ES384", "RS512"] {
            let other = Jwk { alg: Some(alg.to_owned()), ..jwk.clone() };
            assert_eq!(PublicKey::from_jwk(&other), Err(PublicKeyError::Algorithm), "{alg}");
        }
    }
}

#[test]
fn other_jwks_are_refused() {
    let rsa = |n: &str, e: &str| Jwk {
        kty: "RSA".to_owned(),
        n: Some(n.to_owned()),
        e: Some(e.to_owned()),
        ..Jwk::default()
    };
    assert!(PublicKey::from_jwk(&rsa(RFC7515_A2_N, "AQAB")).is_ok());
    let modulus = URL_SAFE_NO_PAD.decode(RFC7515_A2_N).unwrap();
    let (mut even, short, zero) = (modulus.clone(), &modulus[1..], [&[0], modulus.as_slice()].concat());
    *even.last_mut().unwrap() &= 0xfe;
    let (large, low) = (vec![0xff; 513], [&[0x7f], &modulus[1..]].concat());
    for n in [&even, short, &zero, &large, &low, &[][..], &[1]] {
        let refused = PublicKey::from_jwk(&rsa(&URL_SAFE_NO_PAD.encode(n), "AQAB"));
        assert_eq!(refused, Err(PublicKeyError::NotRsa), "{} bytes", n.len());
    }
    for e in [&[][..], &[0], &[1], &[2], &[0, 3], &[1, 0, 0], &[1, 0, 0, 0, 1]] {
        let refused = PublicKey::from_jwk(&rsa(RFC7515_A2_N, &URL_SAFE_NO_PAD.encode(e)));
        assert_eq!(refused, Err(PublicKeyError::NotRsa), "{e:?}");
    }
    for (json, why) in [
        (r#"{"kty":"oct","k":"AAAA"}"#, PublicKeyError::UnknownKind),
        (r#"{"kty":"OKP","crv":"X25519","x":"AAAA"}"#, PublicKeyError::UnknownKind),
        (r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#, PublicKeyError::NotEd25519),
        (r#"{"kty":"OKP","crv":"Ed25519"}"#, PublicKeyError::NotEd25519),
        (r#"{"kty":"EC","crv":"P-384","x":"AAAA","y":"AAAA"}"#, PublicKeyError::NotP256),
        (r#"{"kty":"RSA","n":"!","e":"AQAB"}"#, PublicKeyError::NotRsa),
    ] {
        assert_eq!(PublicKey::from_jwk(&serde_json::from_str(json).unwrap()), Err(why), "{json}");
    }
}

#[test]
fn a_private_key_loads_only_as_what_it_is() {
    let halves = [
        SigningKey::generate().unwrap().1.to_vec(),
        rfc7515_a2_pkcs8(),
        SigningKey::generate_for(SigningAlgorithm::EdDsa).unwrap().1.to_vec(),
    ];
    for (at, half) in halves.iter().enumerate() {
        for (as_what, algorithm) in SigningAlgorithm::ALL.into_iter().enumerate() {
            assert_eq!(SigningKey::load(algorithm, half).is_ok(), at == as_what, "{at} as {algorithm}");
        }
        assert!(SigningKey::load(SigningAlgorithm::ALL[at], &half[..half.len() - 1]).is_err());
    }
}

#[cfg(not(feature = "josekit"))]
#[test]
fn a_build_that_cannot_make_rsa_keys_says_so() {
    let refused = SigningKey::generate_for(SigningAlgorithm::Rs256).unwrap_err();
    assert_eq!(refused, SignError::NoRsaGenerator);
    assert!(refused.to_string().contains("josekit"));
}

#[cfg(feature = "josekit")]
#[test]
fn an_rsa_key_that_was_made_here_signs() {
    let (key, pkcs8) = SigningKey::generate_for(SigningAlgorithm::Rs256).unwrap();
    let again = SigningKey::load(SigningAlgorithm::Rs256, &pkcs8).unwrap();
    let token = again.sign("at+jwt", b"{}").unwrap();
    assert!(verify(parse(&token).unwrap(), key.public()).is_ok());
    assert_eq!(key.public().jwk("", "").n.unwrap().len(), 342, "2048 bits");
    assert!(!matches!(SigningKey::load(SigningAlgorithm::Rs256, b"x"), Err(SignError::NoRsaGenerator)));
}

fn keeper(algorithm: SigningAlgorithm) -> KeyKeeper {
    KeyKeeper {
        master: Arc::new(MasterKey::from_bytes([1; 32]).unwrap()),
        random: Arc::new(SystemRandom::new()),
        algorithm,
        place: KeyPlace::Here,
        signer: None,
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_790_000_000 + seconds)
}

#[test]
fn another_algorithm_comes_by_rotation_and_breaks_nothing() {
    let (before, after) = (keeper(SigningAlgorithm::Es256), keeper(SigningAlgorithm::EdDsa));
    let (ring, stored) = KeyRing::create(&before, at(0)).unwrap();
    let ring = KeyRing::load(&after, &stored).unwrap_or(ring);
    assert_eq!(ring.signer().public().algorithm(), SigningAlgorithm::Es256, "what exists goes on");
    // A key of the new kind is published beside the next one, once.
    let (ring, _) = ring.complete(&after, at(1000)).unwrap().unwrap();
    assert!(ring.complete(&after, at(1000)).unwrap().is_none());
    assert_eq!(ring.jwks().keys.len(), 3);
    // The old next key is known for long, yet the new kind is wanted: it waits until clients know it.
    let refused = ring.rotate(&after, at(1359), Rotation::Planned).unwrap_err();
    assert_eq!(refused, RotateError::TooFresh { published_for: 359 });
    let old = ring.signer().kid().clone();
    let (ring, stored) = ring.rotate(&after, at(1360), Rotation::Planned).unwrap();
    assert_eq!(ring.signer().public().algorithm(), SigningAlgorithm::EdDsa);
    assert!(ring.verifier(old.as_str()).is_some());
    let next: Vec<_> = stored.iter().filter(|key| key.state == KeyState::Next).collect();
    assert_eq!(next.len(), 1);
    assert_eq!(next[0].algorithm, SigningAlgorithm::EdDsa);
    let unused = stored.iter().find(|key| key.state == KeyState::Retired).unwrap();
    assert!(unused.activated_at.is_none() && ring.verifier(unused.kid.as_str()).is_none());
    // And back again, at once: an emergency takes the kind that is wanted now if there is one, else whatever there is.
    let (back, _) = ring.rotate(&before, at(1361), Rotation::Emergency).unwrap();
    assert_eq!(back.signer().public().algorithm(), SigningAlgorithm::EdDsa);
    assert!(!back.has_next(), "an emergency makes nothing");
    assert_eq!(back.rotate(&before, at(1362), Rotation::Emergency).unwrap_err(), RotateError::NoNext);
    let (back, _) = back.complete(&before, at(1362)).unwrap().unwrap();
    let (back, _) = back.rotate(&before, at(1363), Rotation::Emergency).unwrap();
    assert_eq!(back.signer().public().algorithm(), SigningAlgorithm::Es256);
}

#[test]
fn a_row_that_says_another_algorithm_does_not_load() {
    let keeper = keeper(SigningAlgorithm::Es256);
    let (_, mut stored) = KeyRing::create(&keeper, at(0)).unwrap();
    stored[0].algorithm = SigningAlgorithm::EdDsa;
    let refused = KeyRing::load(&keeper, &stored).unwrap_err();
    assert_eq!(refused, KeyRingError::Sign(SignError::Load(SigningAlgorithm::EdDsa)));
}
