//! Keys that live elsewhere: what is stored of them, and what their place may do wrong.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use zeroid_identity_model::Timestamp;
use zeroid_jose::{
    HeldKey, KeyKeeper, KeyPlace, KeyRing, KeyRingError, KeyState, MasterKey, PublicKey, Rotation, SignError,
    Signer, SignerError, SigningAlgorithm, SigningKey, SystemRandom, WrappedKey, parse, verify,
};

/// A place of keys in memory.
#[derive(Default)]
struct Vault {
    keys: Mutex<HashMap<String, SigningKey>>,
    down: AtomicBool,
    lies: AtomicBool,
}

impl Vault {
    fn up(&self) -> Result<(), SignerError> {
        if self.down.load(Ordering::SeqCst) { Err(SignerError::new("it is down")) } else { Ok(()) }
    }
}

impl Signer for Vault {
    fn generate(&self, algorithm: SigningAlgorithm) -> Result<HeldKey, SignerError> {
        self.up()?;
        let (key, _) = SigningKey::generate_for(algorithm).map_err(SignerError::new)?;
        let mut keys = self.keys.lock().unwrap();
        let held = HeldKey { reference: format!("vault:{}", keys.len()), public: key.public().clone() };
        keys.insert(held.reference.clone(), key);
        Ok(held)
    }

    fn is_home_of(&self, reference: &str) -> bool {
        reference.starts_with("vault:")
    }

    fn sign(&self, reference: &str, _: SigningAlgorithm, input: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.up()?;
        let keys = self.keys.lock().unwrap();
        let key = keys.get(reference).ok_or_else(|| SignerError::new("no such key"))?;
        if self.lies.load(Ordering::SeqCst) {
            return Ok(vec![1; 64]);
        }
        Ok(raw(key, input))
    }

    fn discard(&self, reference: &str) -> Result<(), SignerError> {
        self.keys.lock().unwrap().remove(reference).map(drop).ok_or_else(|| SignerError::new("no such key"))
    }
}

/// The signature of a signing input, by a key that signs whole tokens: one whose signing input is the same.
fn raw(key: &SigningKey, input: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let text = std::str::from_utf8(input).unwrap();
    let (header, payload) = text.split_once('.').unwrap();
    let header: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    let payload = URL_SAFE_NO_PAD.decode(payload).unwrap();
    let token = key.sign(header["typ"].as_str().unwrap(), &payload).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    assert_eq!(signed, text);
    URL_SAFE_NO_PAD.decode(signature).unwrap()
}

fn keeper(vault: Option<&Arc<Vault>>, place: KeyPlace) -> KeyKeeper {
    KeyKeeper {
        master: Arc::new(MasterKey::from_bytes([1; 32]).unwrap()),
        random: Arc::new(SystemRandom::new()),
        algorithm: SigningAlgorithm::Es256,
        place,
        signer: vault.map(|vault| Arc::<Vault>::clone(vault) as Arc<dyn Signer>),
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_790_000_000 + seconds)
}

fn vault_ring() -> (Arc<Vault>, KeyKeeper, KeyRing, Vec<WrappedKey>) {
    let vault = Arc::new(Vault::default());
    let keeper = keeper(Some(&vault), KeyPlace::Elsewhere);
    let (ring, stored) = KeyRing::create(&keeper, at(0)).unwrap();
    (vault, keeper, ring, stored)
}

#[test]
fn a_key_elsewhere_signs_rotates_and_retires() {
    let (_, keeper, ring, stored) = vault_ring();
    assert!(stored.iter().all(|key| key.reference.is_some()));
    assert!(!ring.signer().signs_in_passing(), "it may take long");
    let token = ring.signer().sign("at+jwt", b"{}").unwrap();
    let verifier = ring.verifier(ring.signer().kid().as_str()).unwrap();
    assert!(verify(parse(&token).unwrap(), verifier).is_ok());
    let (ring, stored) = ring.rotate(&keeper, at(360), Rotation::Planned).unwrap();
    let again = KeyRing::load(&keeper, &stored).unwrap();
    assert_eq!(again.signer().kid(), ring.signer().kid());
    let token = again.signer().sign("at+jwt", b"{}").unwrap();
    assert!(verify(parse(&token).unwrap(), ring.signer().public()).is_ok());
    let (ring, _) = ring.retire(ring.signer().kid().as_str(), &keeper, at(361)).unwrap().unwrap();
    assert!(ring.complete(&keeper, at(361)).unwrap().is_some());
    assert!(ring.signer().sign("at+jwt", b"{}").is_ok());
}

#[test]
fn a_place_that_fails_or_lies_signs_nothing() {
    let (vault, keeper, ring, _) = vault_ring();
    vault.lies.store(true, Ordering::SeqCst);
    let refused = ring.signer().sign("at+jwt", b"{}").unwrap_err();
    assert!(matches!(refused, SignError::NotItsSignature { .. }), "{refused}");
    vault.down.store(true, Ordering::SeqCst);
    let refused = ring.signer().sign("at+jwt", b"{}").unwrap_err();
    assert!(matches!(refused, SignError::Elsewhere { .. }), "{refused}");
    assert!(ring.rotate(&keeper, at(360), Rotation::Planned).is_err(), "nothing could follow");
    // A stolen key is retired all the same: that asks the place for nothing.
    let stolen = ring.signer().kid().clone();
    let (ring, _) = ring.rotate(&keeper, at(360), Rotation::Emergency).unwrap();
    assert_eq!(ring.state(stolen.as_str()), Some(KeyState::Retired));
    assert!(ring.complete(&keeper, at(361)).is_err());
    vault.down.store(false, Ordering::SeqCst);
    assert!(ring.complete(&keeper, at(362)).unwrap().is_some());
}

#[test]
fn without_its_place_an_active_key_does_not_load_and_an_older_one_verifies() {
    let (vault, _, ring, stored) = vault_ring();
    let alone = keeper(None, KeyPlace::Here);
    let refused = KeyRing::load(&alone, &stored).unwrap_err();
    assert!(matches!(&refused, KeyRingError::OutOfReach(reference) if reference.starts_with("vault:")));
    assert_eq!(
        KeyRing::create(&keeper(None, KeyPlace::Elsewhere), at(0)).unwrap_err(),
        KeyRingError::NoPlace
    );
    // Leaving: new keys are made here while the place still signs.
    let leaving = keeper(Some(&vault), KeyPlace::Here);
    let token = ring.signer().sign("at+jwt", b"{}").unwrap();
    let old = ring.signer().kid().clone();
    let (ring, _) = ring.complete(&leaving, at(1)).unwrap().unwrap();
    let (_, stored) = ring.rotate(&leaving, at(361), Rotation::Planned).unwrap();
    let ring = KeyRing::load(&alone, &stored).unwrap();
    assert!(ring.signer().signs_in_passing());
    assert!(verify(parse(&token).unwrap(), ring.verifier(old.as_str()).unwrap()).is_ok());
}

/// Who can only write to the database makes no key ours.
#[test]
fn a_row_with_a_strangers_key_does_not_load() {
    let (vault, keeper, _, stored) = vault_ring();
    let (stranger, _) = SigningKey::generate().unwrap();
    let jwk = serde_json::to_string(&stranger.public().jwk(stranger.kid().as_str(), "sig")).unwrap();
    let mut forged = stored.clone();
    forged[0].kid = stranger.kid().clone();
    forged[0].public_jwk = jwk.clone();
    assert!(matches!(KeyRing::load(&keeper, &forged).unwrap_err(), KeyRingError::Wrap(_)));
    // The published half comes from what was sealed, not from the column.
    let mut forged = stored.clone();
    forged[0].public_jwk = jwk;
    let ring = KeyRing::load(&keeper, &forged).unwrap();
    assert!(ring.jwks().keys.iter().all(|jwk| PublicKey::from_jwk(jwk).unwrap() != *stranger.public()));
    // Neither is a reference exchanged, nor a reference taken for a private half.
    let mut forged = stored.clone();
    forged[0].reference = stored[1].reference.clone();
    assert_eq!(KeyRing::load(&keeper, &forged).unwrap_err(), KeyRingError::Mismatch);
    let mut forged = stored.clone();
    forged[0].reference = None;
    assert!(KeyRing::load(&keeper, &forged).is_err());
    let mut forged = stored;
    forged[0].algorithm = SigningAlgorithm::EdDsa;
    assert_eq!(KeyRing::load(&keeper, &forged).unwrap_err(), KeyRingError::Mismatch);
    drop(vault);
}

#[test]
fn what_was_made_in_vain_is_destroyed() {
    let (vault, keeper, _, stored) = vault_ring();
    assert_eq!(vault.keys.lock().unwrap().len(), 2);
    keeper.discard(&stored);
    assert_eq!(vault.keys.lock().unwrap().len(), 0);
}
