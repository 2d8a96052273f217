//! The adapter against SoftHSM. A process loads a module once and for all, and SoftHSM reads where its token is from the
//! environment: so each test runs itself again in a process of its own, with a token of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout
)]

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use zeroid_jose::{HeldKey, PublicKey, Secret, Signer, SigningAlgorithm, SigningKey, parse, verify};
use zeroid_signer_pkcs11::{Pkcs11Error, Pkcs11Options, Pkcs11Signer};
use zeroid_test_softhsm::{CONFIG_VARIABLE, PIN, SoftHsm};

const MODULE: &str = "ZEROID_TEST_PKCS11_MODULE";
const LABEL: &str = "ZeroID; tests 1";

/// Run the body in a process that has a fresh token.
fn with_token(test: &str, body: impl FnOnce(Pkcs11Options)) {
    if let Some(module) = std::env::var_os(MODULE) {
        body(Pkcs11Options { module: PathBuf::from(module), token: LABEL.to_owned(), pin: Secret::new(PIN) });
        println!("{test} was run");
        return;
    }
    let Some(token) = SoftHsm::for_test(test, LABEL) else { return };
    let ran = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CONFIG_VARIABLE, token.config())
        .env(MODULE, token.module())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&ran.stdout);
    let failed = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{printed}\n{failed}");
    assert!(printed.contains(&format!("{test} was run")), "{printed}\n{failed}");
}

#[test]
fn keys_of_every_algorithm_are_made_and_sign() {
    with_token("keys_of_every_algorithm_are_made_and_sign", |options| {
        let signer = Arc::new(Pkcs11Signer::open(&options).unwrap());
        for algorithm in SigningAlgorithm::ALL {
            let held = signer.generate(algorithm).unwrap();
            assert_eq!(held.public.algorithm(), algorithm);
            assert!(
                held.reference.starts_with("pkcs11:token=ZeroID%3B%20tests%201;id=%"),
                "{}",
                held.reference
            );
            assert!(signer.is_home_of(&held.reference));
            let key = SigningKey::elsewhere(Arc::<Pkcs11Signer>::clone(&signer), held.clone()).unwrap();
            for claims in [&b"{}"[..], &[b' '; 3000]] {
                let token = key.sign("at+jwt", claims).unwrap();
                let published = PublicKey::from_jwk(&held.public.jwk("", "sig")).unwrap();
                assert_eq!(verify(parse(&token).unwrap(), &published).unwrap().get().payload, claims);
            }
            // A key is for its algorithm alone.
            for other in SigningAlgorithm::ALL.into_iter().filter(|other| *other != algorithm) {
                let signed = signer.sign(&held.reference, other, b"a.b");
                assert!(signed.is_err() || !held.public.is_signature(b"a.b", &signed.unwrap()));
            }
        }
    });
}

#[test]
fn keys_are_there_after_a_restart_and_gone_after_they_are_discarded() {
    with_token("keys_are_there_after_a_restart_and_gone_after_they_are_discarded", |options| {
        let first = Pkcs11Signer::open(&options).unwrap();
        let made: Vec<HeldKey> = SigningAlgorithm::ALL.map(|alg| first.generate(alg).unwrap()).into();
        drop(first);
        let again = Pkcs11Signer::open(&options).unwrap();
        for held in &made {
            let algorithm = held.public.algorithm();
            let signature = again.sign(&held.reference, algorithm, b"a.b").unwrap();
            assert!(held.public.is_signature(b"a.b", &signature));
        }
        again.discard(&made[0].reference).unwrap();
        let gone = again.sign(&made[0].reference, SigningAlgorithm::Es256, b"a.b").unwrap_err();
        assert!(gone.to_string().contains("has no key"), "{gone}");
        assert!(again.sign(&made[1].reference, SigningAlgorithm::Rs256, b"a.b").is_ok());
        for foreign in ["", "pkcs11:token=other;id=%00", "pkcs11:token=ZeroID%3B%20tests%201;id=%00"] {
            assert!(again.sign(foreign, SigningAlgorithm::Es256, b"a.b").is_err(), "{foreign}");
        }
        assert!(!again.is_home_of("pkcs11:token=other;id=%00"));
    });
}

#[test]
fn threads_sign_at_the_same_time() {
    with_token("threads_sign_at_the_same_time", |options| {
        let signer = Pkcs11Signer::open(&options).unwrap();
        let held = signer.generate(SigningAlgorithm::Es256).unwrap();
        std::thread::scope(|threads| {
            for number in 0..8 {
                let (signer, held) = (&signer, &held);
                threads.spawn(move || {
                    for round in 0..25 {
                        let input = format!("{number}.{round}");
                        let signed = signer.sign(&held.reference, SigningAlgorithm::Es256, input.as_bytes());
                        assert!(held.public.is_signature(input.as_bytes(), &signed.unwrap()));
                    }
                });
            }
        });
    });
}

#[test]
fn what_does_not_open_says_why_and_never_the_pin() {
    with_token("what_does_not_open_says_why_and_never_the_pin", |options| {
        let refused = |change: &dyn Fn(&mut Pkcs11Options)| {
            let mut changed = options.clone();
            change(&mut changed);
            Pkcs11Signer::open(&changed).unwrap_err()
        };
        let wrong = refused(&|options| options.pin = Secret::new("not-the-pin-5678"));
        assert_eq!(wrong, Pkcs11Error::WrongPin(LABEL.to_owned()));
        let other = refused(&|options| options.token = "other".to_owned());
        assert_eq!(other, Pkcs11Error::NoToken("other".to_owned()));
        let missing = refused(&|options| options.module = PathBuf::from("/nowhere/libnone.so"));
        assert!(matches!(missing, Pkcs11Error::Module { .. }));
        let no_module = refused(&|options| options.module = std::env::current_exe().unwrap());
        assert!(matches!(no_module, Pkcs11Error::Module { .. }), "{no_module}");
        for error in [wrong, other, missing, no_module] {
            let text = format!("{error} {error:?}");
            assert!(!text.contains("not-the-pin") && !text.contains(PIN), "{text}");
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
        }
        let signer = Pkcs11Signer::open(&options).unwrap();
        assert!(!format!("{signer:?} {options:?}").contains(PIN));
    });
}

#[test]
fn a_token_that_was_away_is_found_again() {
    with_token("a_token_that_was_away_is_found_again", |options| {
        let signer = Pkcs11Signer::open(&options).unwrap();
        let held = signer.generate(SigningAlgorithm::Es256).unwrap();
        let sign = || signer.sign(&held.reference, SigningAlgorithm::Es256, b"a.b");
        assert!(sign().is_ok());
        let config = std::fs::read_to_string(std::env::var_os(CONFIG_VARIABLE).unwrap()).unwrap();
        let (_, folder) = config.lines().next().unwrap().split_once(" = ").unwrap();
        let away = format!("{folder}.away");
        for _ in 0..3 {
            std::fs::rename(folder, &away).unwrap();
            assert!(sign().is_err());
            assert!(signer.generate(SigningAlgorithm::Es256).is_err());
            std::fs::rename(&away, folder).unwrap();
            assert!(held.public.is_signature(b"a.b", &sign().unwrap()));
        }
        signer.generate(SigningAlgorithm::Es256).unwrap();
    });
}

/// The private half is nowhere in the token's files in the clear, and the token gives it to nobody.
#[test]
fn a_private_half_stays_in_the_token() {
    with_token("a_private_half_stays_in_the_token", |options| {
        use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
        use cryptoki::object::{Attribute, AttributeType, ObjectClass};
        use cryptoki::session::UserType;
        use cryptoki::types::AuthPin;

        let signer = Pkcs11Signer::open(&options).unwrap();
        SigningAlgorithm::ALL.iter().for_each(|algorithm| drop(signer.generate(*algorithm).unwrap()));
        let module = Pkcs11::new(&options.module).unwrap();
        let _ = module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
        let slot = module.get_slots_with_initialized_token().unwrap()[0];
        let session = module.open_ro_session(slot).unwrap();
        let _ = session.login(UserType::User, Some(&AuthPin::from(PIN.to_owned())));
        let found = session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)]).unwrap();
        assert_eq!(found.len(), 3);
        for key in found {
            let secret = [AttributeType::Value, AttributeType::PrivateExponent, AttributeType::Prime1];
            assert_eq!(
                session.get_attributes(key, &secret).unwrap(),
                [],
                "sensitive attributes are not given"
            );
            let flags =
                [AttributeType::Sensitive, AttributeType::Extractable, AttributeType::NeverExtractable];
            assert_eq!(
                session.get_attributes(key, &flags).unwrap(),
                [
                    Attribute::Sensitive(true),
                    Attribute::Extractable(false),
                    Attribute::NeverExtractable(true)
                ]
            );
        }
    });
}
