//! The port's side: making keys, signing, destroying.

use std::fmt;
use std::path::PathBuf;

use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use zeroid_jose::{
    HeldKey, MIN_RSA_BITS, PublicKey, Random, Secret, Signer, SignerError, SigningAlgorithm, SystemRandom,
    sha256,
};

use crate::error::Pkcs11Error;
use crate::point::bare;
use crate::reference;
use crate::token::Token;

/// The label of our keys in the token, for whoever looks into it.
const LABEL: &[u8] = b"zeroid signing key";

/// Bytes of a key's id: random, so that no two replicas make the same.
const ID_BYTES: usize = 16;

/// CKA_EC_PARAMS: the object identifier of prime256v1 (RFC 5480 §2.1.1.1).
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// CKA_EC_PARAMS: the object identifier of Ed25519 (RFC 8410 §3).
const ED25519: [u8; 5] = [0x06, 0x03, 0x2b, 0x65, 0x70];

/// 65537, the exponent every module takes.
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];

/// Which module and which token.
#[derive(Clone, Debug)]
pub struct Pkcs11Options {
    /// The path of the module, a shared library.
    pub module: PathBuf,
    /// The label of the token.
    pub token: String,
    /// The PIN of the token's user.
    pub pin: Secret,
}

/// A token that holds signing keys.
pub struct Pkcs11Signer {
    token: Token,
    prefix: String,
}

impl Pkcs11Signer {
    /// Load the module, find the token, and log in.
    ///
    /// # Errors
    /// [`Pkcs11Error`]: no such module or token, or another PIN.
    pub fn open(options: &Pkcs11Options) -> Result<Self, Pkcs11Error> {
        let token = Token::open(&options.module, &options.token, &options.pin)?;
        Ok(Self { token, prefix: reference::prefix(&options.token) })
    }

    fn id(&self, reference: &str) -> Result<Vec<u8>, Pkcs11Error> {
        reference::read(&self.prefix, reference).ok_or_else(|| Pkcs11Error::NoKey(reference.to_owned()))
    }

    fn make(&self, algorithm: SigningAlgorithm) -> Result<HeldKey, Pkcs11Error> {
        let mut id = [0; ID_BYTES];
        SystemRandom::new().fill(&mut id).map_err(|error| Pkcs11Error::Refused(error.to_string()))?;
        let public = self.token.with_writing_session(|session| {
            let made = generate(session, algorithm, &id)?;
            // What is not as it should be is not left behind.
            describe(session, algorithm, made).inspect_err(|_| {
                let _ = session.destroy_object(made.1);
                let _ = session.destroy_object(made.0);
            })
        })?;
        Ok(HeldKey { reference: reference::write(&self.prefix, &id), public })
    }

    fn sign_by(
        &self,
        reference: &str,
        algorithm: SigningAlgorithm,
        input: &[u8],
    ) -> Result<Vec<u8>, Pkcs11Error> {
        let id = self.id(reference)?;
        self.token.with_session(|open| {
            let key = match open.handle(&id) {
                Some(key) => key,
                None => {
                    let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(id.clone())];
                    let found = open.session.find_objects(&template)?;
                    let key = *found.first().ok_or_else(|| Pkcs11Error::NoKey(reference.to_owned()))?;
                    open.remember(&id, key);
                    key
                }
            };
            let signed = match algorithm {
                // Few modules hash for ECDSA; all sign a hash.
                SigningAlgorithm::Es256 => open.session.sign(&Mechanism::Ecdsa, key, &sha256(input)),
                SigningAlgorithm::Rs256 => open.session.sign(&Mechanism::Sha256RsaPkcs, key, input),
                SigningAlgorithm::EdDsa => {
                    let pure = EddsaParams::new(EddsaSignatureScheme::Ed25519);
                    open.session.sign(&Mechanism::Eddsa(pure), key, input)
                }
            };
            Ok(signed?)
        })
    }

    fn destroy(&self, reference: &str) -> Result<(), Pkcs11Error> {
        let id = self.id(reference)?;
        self.token.with_writing_session(|session| {
            for object in session.find_objects(&[Attribute::Id(id)])? {
                session.destroy_object(object)?;
            }
            Ok(())
        })
    }
}

impl Signer for Pkcs11Signer {
    fn generate(&self, algorithm: SigningAlgorithm) -> Result<HeldKey, SignerError> {
        Ok(self.make(algorithm)?)
    }

    fn is_home_of(&self, reference: &str) -> bool {
        self.id(reference).is_ok()
    }

    fn sign(
        &self,
        reference: &str,
        algorithm: SigningAlgorithm,
        signing_input: &[u8],
    ) -> Result<Vec<u8>, SignerError> {
        Ok(self.sign_by(reference, algorithm, signing_input)?)
    }

    fn discard(&self, reference: &str) -> Result<(), SignerError> {
        Ok(self.destroy(reference)?)
    }
}

impl fmt::Debug for Pkcs11Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pkcs11Signer({}..)", self.prefix)
    }
}

/// The public and the private half of a fresh key that stays in the token.
fn generate(
    session: &Session,
    algorithm: SigningAlgorithm,
    id: &[u8],
) -> Result<(ObjectHandle, ObjectHandle), Pkcs11Error> {
    let (mechanism, kind) = match algorithm {
        SigningAlgorithm::Es256 => (Mechanism::EccKeyPairGen, vec![Attribute::EcParams(P256.to_vec())]),
        SigningAlgorithm::EdDsa => {
            (Mechanism::EccEdwardsKeyPairGen, vec![Attribute::EcParams(ED25519.to_vec())])
        }
        SigningAlgorithm::Rs256 => {
            let bits = Attribute::ModulusBits(u64::from(MIN_RSA_BITS).into());
            (Mechanism::RsaPkcsKeyPairGen, vec![bits, Attribute::PublicExponent(RSA_EXPONENT.to_vec())])
        }
    };
    let named = [Attribute::Token(true), Attribute::Id(id.to_vec()), Attribute::Label(LABEL.to_vec())];
    let public: Vec<_> =
        [&named, kind.as_slice(), &[Attribute::Private(false), Attribute::Verify(true)]].concat();
    let private = [
        &named[..],
        &[
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
        ],
    ]
    .concat();
    Ok(session.generate_key_pair(&mechanism, &public, &private)?)
}

/// The public half of a fresh key, whose private half must be one that never leaves the token.
fn describe(
    session: &Session,
    algorithm: SigningAlgorithm,
    (public, private): (ObjectHandle, ObjectHandle),
) -> Result<PublicKey, Pkcs11Error> {
    let guarded = session.get_attributes(private, &[AttributeType::Sensitive, AttributeType::Extractable])?;
    if !guarded.contains(&Attribute::Sensitive(true)) || !guarded.contains(&Attribute::Extractable(false)) {
        return Err(Pkcs11Error::OddKey("can leave the token"));
    }
    let asked = [AttributeType::EcPoint, AttributeType::Modulus, AttributeType::PublicExponent]
        .into_iter()
        .filter(|attribute| (*attribute == AttributeType::EcPoint) != (algorithm == SigningAlgorithm::Rs256));
    let told = session.get_attributes(public, &asked.collect::<Vec<_>>())?;
    let odd = Pkcs11Error::OddKey("is not of the kind that was asked for");
    let key = match (algorithm, told.as_slice()) {
        (SigningAlgorithm::Es256, [Attribute::EcPoint(point)]) => {
            bare(point, 65).and_then(|point| PublicKey::p256(point).ok())
        }
        (SigningAlgorithm::EdDsa, [Attribute::EcPoint(point)]) => {
            bare(point, 32).and_then(|point| PublicKey::ed25519(point).ok())
        }
        (SigningAlgorithm::Rs256, [Attribute::Modulus(n), Attribute::PublicExponent(e)]) => {
            PublicKey::rsa(number(n), number(e)).ok()
        }
        _ => None,
    };
    key.ok_or(odd)
}

/// Without leading zeros, which some modules give.
fn number(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().skip_while(|byte| *byte == 0).collect()
}
