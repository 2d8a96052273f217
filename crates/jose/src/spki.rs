//! SubjectPublicKeyInfo in DER: what is constant, and the little that is not.

/// P-256 up to the point: SEQUENCE, AlgorithmIdentifier (id-ecPublicKey, prime256v1), BIT STRING (RFC 5480 §2).
pub(crate) const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Ed25519 up to the key: SEQUENCE, AlgorithmIdentifier (id-Ed25519), BIT STRING (RFC 8410 §4).
pub(crate) const ED25519_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// AlgorithmIdentifier of RSA: rsaEncryption, NULL (RFC 8017 A.1).
const RSA_ALGORITHM: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// An RSA key; both numbers big-endian without leading zeros.
pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = element(SEQUENCE, &[integer(modulus), integer(exponent)].concat());
    let bits = element(BIT_STRING, &[&[0], key.as_slice()].concat());
    element(SEQUENCE, &[RSA_ALGORITHM.as_slice(), &bits].concat())
}

/// Whether it says of itself that it is an RSA key.
pub(crate) fn is_rsa(der: &[u8]) -> bool {
    let mut rest = der;
    take(&mut rest, SEQUENCE).is_some_and(|of| of.starts_with(&RSA_ALGORITHM))
}

/// Modulus and exponent of an RSA key, without leading zeros. Lengths are read as they come: whoever needs the one
/// encoding writes the key again and compares.
pub(crate) fn rsa_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = der;
    let mut of = take(&mut rest, SEQUENCE)?.strip_prefix(&RSA_ALGORITHM)?;
    let mut bits = take(&mut of, BIT_STRING)?.strip_prefix(&[0])?;
    let mut key = take(&mut bits, SEQUENCE)?;
    let (modulus, exponent) = (take(&mut key, INTEGER)?, take(&mut key, INTEGER)?);
    let without_sign = |number: &'_ [u8]| number.iter().take_while(|byte| **byte == 0).count();
    Some((modulus.get(without_sign(modulus)..)?, exponent.get(without_sign(exponent)..)?))
}

/// The content of the next element, which must have this tag; lengths of up to two bytes.
fn take<'d>(der: &mut &'d [u8], tag: u8) -> Option<&'d [u8]> {
    let (first, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81 => rest.split_first().map(|(low, rest)| (usize::from(*low), rest))?,
        0x82 => {
            let (bytes, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*bytes)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *der = rest;
    (*first == tag).then_some(content)
}

/// A positive number: a zero in front when its first bit would make it negative.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let sign = if bytes.first().is_some_and(|first| first & 0x80 != 0) { &[0][..] } else { &[] };
    element(INTEGER, &[sign, bytes].concat())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut der = vec![tag];
    match (significant.as_slice(), u8::try_from(significant.len())) {
        ([], _) => der.push(0),
        ([short], _) if *short < 0x80 => der.push(*short),
        (long, count) => {
            // A length has at most eight bytes.
            der.push(0x80 | count.unwrap_or_default());
            der.extend_from_slice(long);
        }
    }
    der.extend_from_slice(content);
    der
}
