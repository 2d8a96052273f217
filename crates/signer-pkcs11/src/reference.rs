//! What a key is asked for by: `pkcs11:token=...;id=...` (RFC 7512 §2.3), in the one form that is written here.

use std::fmt::Write as _;

/// The beginning that all references to keys of a token have.
pub(crate) fn prefix(label: &str) -> String {
    let mut text = "pkcs11:token=".to_owned();
    for byte in label.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte))
            }
            _ => escape(&mut text, byte),
        }
    }
    text.push_str(";id=");
    text
}

/// The reference to the key of an id, in a token of this prefix.
pub(crate) fn write(prefix: &str, id: &[u8]) -> String {
    let mut text = prefix.to_owned();
    id.iter().for_each(|byte| escape(&mut text, *byte));
    text
}

/// The id in a reference to a key in a token of this prefix.
pub(crate) fn read(prefix: &str, reference: &str) -> Option<Vec<u8>> {
    let digits = reference.strip_prefix(prefix)?.strip_prefix('%')?;
    let byte = |pair: &str| {
        let plain = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
        u8::from_str_radix(pair, 16).ok().filter(|_| plain)
    };
    digits.split('%').map(byte).collect()
}

fn escape(text: &mut String, byte: u8) {
    // Writing to a string does not fail.
    let _ = write!(text, "%{byte:02X}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let ours = prefix("ZeroID; signing keys");
        assert_eq!(ours, "pkcs11:token=ZeroID%3B%20signing%20keys;id=");
        let reference = write(&ours, &[0, 0xab, 9]);
        assert_eq!(reference, "pkcs11:token=ZeroID%3B%20signing%20keys;id=%00%AB%09");
        assert_eq!(read(&ours, &reference), Some(vec![0, 0xab, 9]));
        assert_eq!(read(&prefix("ZeroID"), &reference), None, "another token");
        for bad in ["", "%", "%0", "%000", "%0G", "00", "%00%", "%+1"] {
            assert_eq!(read(&ours, &format!("{ours}{bad}")), None, "{bad}");
        }
    }
}
