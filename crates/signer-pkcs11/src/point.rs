//! CKA_EC_POINT: a DER OCTET STRING by the standard (PKCS#11 v3.0 §2.3.3), the bare bytes in some modules.

const OCTET_STRING: u8 = 0x04;

/// The bytes of a point of this length.
pub(crate) fn bare(attribute: &[u8], length: u8) -> Option<&[u8]> {
    match attribute.strip_prefix(&[OCTET_STRING, length]) {
        Some(bytes) if bytes.len() == usize::from(length) => Some(bytes),
        _ => Some(attribute).filter(|bytes| bytes.len() == usize::from(length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_no_other() {
        let (wrapped, plain) = ([&[0x04, 3], &b"abc"[..]].concat(), b"abc");
        assert_eq!(bare(&wrapped, 3), Some(&b"abc"[..]));
        assert_eq!(bare(plain, 3), Some(&b"abc"[..]));
        // Bare bytes that begin like the wrapping of other ones.
        assert_eq!(bare(&[0x04, 3, 1], 3), Some(&[0x04, 3, 1][..]));
        for odd in [&[][..], b"ab", b"abcd", &[0x04, 2, 1, 2], &[0x03, 3, 1, 2, 3]] {
            assert_eq!(bare(odd, 3), None, "{odd:?}");
        }
    }
}
