//! Nonces that DPoP proofs must carry where a deployment demands them (RFC 9449 §8).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroid_identity_model::Timestamp;

use crate::master::{HashPurpose, KeyedHash, MasterKey};

/// How long one nonce is given out, in seconds.
const NONCE_SLOT_SECONDS: i64 = 60;

/// How many slots before the present one are still good: a client has the nonce of an earlier answer, and a proof made
/// ahead of time is good for five minutes at most.
const SLOTS_BEFORE: i64 = 4;

/// How many slots after it: another replica's clock may be ahead.
const SLOTS_AFTER: i64 = 1;

/// How many bytes of a nonce name its slot; the others prove that it is ours.
const SLOT_BYTES: usize = 8;

impl MasterKey {
    /// The nonce of a moment: 43 base64url characters, the same for every caller of the same minute.
    ///
    /// It proves only that its bearer asked after that minute began, which is all it is for. Nothing is kept: whoever
    /// has the same master key knows it again.
    pub fn dpop_nonce(&self, now: Timestamp) -> String {
        URL_SAFE_NO_PAD.encode(self.nonce_of(slot(now)).as_bytes())
    }

    /// Whether this is a nonce of ours that is still good.
    pub(crate) fn is_dpop_nonce(&self, nonce: &str, now: Timestamp) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(nonce) else { return false };
        let Ok(bytes) = <[u8; 32]>::try_from(bytes) else { return false };
        let Some(named) = bytes.first_chunk::<SLOT_BYTES>() else { return false };
        let (given, present) = (i64::from_be_bytes(*named), slot(now));
        let in_time = (present - SLOTS_BEFORE..=present + SLOTS_AFTER).contains(&given);
        in_time && self.nonce_of(given).matches(&KeyedHash::from_bytes(bytes))
    }

    /// The slot, and as much of its keyed hash as fits beside it.
    fn nonce_of(&self, slot: i64) -> KeyedHash {
        let named = slot.to_be_bytes();
        let mut bytes = *self.keyed_hash(HashPurpose::DpopNonce, &named).as_bytes();
        bytes.iter_mut().zip(named).for_each(|(byte, named)| *byte = named);
        KeyedHash::from_bytes(bytes)
    }
}

const fn slot(now: Timestamp) -> i64 {
    now.unix_seconds().div_euclid(NONCE_SLOT_SECONDS)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_790_000_000);

    fn master(byte: u8) -> MasterKey {
        MasterKey::from_bytes([byte; 32]).unwrap()
    }

    #[test]
    fn rfc9449_section_8_a_nonce_is_good_for_a_while_and_for_every_replica() {
        let nonce = master(1).dpop_nonce(NOW);
        assert_eq!(nonce.len(), 43);
        assert!(nonce.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'), "NQCHAR");
        let good = |after| master(1).is_dpop_nonce(&nonce, NOW.plus_seconds(after));
        assert!(good(0) && good(-60) && good(60) && good(4 * 60));
        assert!(!good(5 * 60) && !good(-2 * 60));
    }

    #[test]
    fn a_nonce_is_made_by_the_master_key_alone() {
        let ours = master(1);
        assert!(!ours.is_dpop_nonce(&master(2).dpop_nonce(NOW), NOW));
        let nonce = ours.dpop_nonce(NOW);
        for at in 0..nonce.len() {
            let mut altered = nonce.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'Q' } else { b'A' };
            assert!(!ours.is_dpop_nonce(&String::from_utf8(altered).unwrap(), NOW), "character {at}");
        }
        for wrong in ["", "A", "=", &nonce[1..], &format!("{nonce}A"), &format!("{nonce}=")] {
            assert!(!ours.is_dpop_nonce(wrong, NOW), "{wrong}");
        }
    }

    #[test]
    fn a_nonce_changes_every_minute() {
        assert_eq!(master(1).dpop_nonce(NOW), master(1).dpop_nonce(NOW));
        assert_ne!(master(1).dpop_nonce(NOW), master(1).dpop_nonce(NOW.plus_seconds(60)));
    }
}
