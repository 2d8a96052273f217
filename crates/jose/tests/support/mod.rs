//! A published RSA key: what makes RSA keys is behind a feature, and these tests run without.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The modulus of RFC 7515 A.2.
pub const RFC7515_A2_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

/// The private key of RFC 7515 A.2, in PKCS#8.
pub fn rfc7515_a2_pkcs8() -> Vec<u8> {
    let text: String = include_str!("../fixtures/rfc7515-a2.pkcs8.b64").split_whitespace().collect();
    STANDARD.decode(text).unwrap()
}
