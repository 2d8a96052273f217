//! Make a key in a PKCS#11 token, sign with it, verify without it, destroy it. Without arguments it says what it needs:
//! `cargo run -p zeroid-signer-pkcs11 --example sign_in_a_module -- MODULE TOKEN PIN_FILE`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a main reads its arguments and speaks to a terminal"
)]

use std::sync::Arc;

use zeroid_jose::{Secret, Signer, SigningAlgorithm, SigningKey, parse, verify};
use zeroid_signer_pkcs11::{Pkcs11Options, Pkcs11Signer};

const NEEDS: &str = "\
it needs MODULE TOKEN PIN_FILE: the path of a PKCS#11 module, the label of a token, a file with the PIN of its user
to try it with SoftHSM (Debian: softhsm2):
  export SOFTHSM2_CONF=$PWD/softhsm2.conf
  mkdir tokens && echo \"directories.tokendir = $PWD/tokens\" > softhsm2.conf && echo 1234 > pin
  softhsm2-util --init-token --free --label demo --so-pin 1234 --pin 1234
  cargo run -p zeroid-signer-pkcs11 --example sign_in_a_module -- /usr/lib/softhsm/libsofthsm2.so demo pin";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [module, token, pin_file] = arguments.as_slice() else {
        println!("{NEEDS}");
        return Ok(());
    };
    let pin = std::fs::read_to_string(pin_file)?;
    let pin = Secret::new(pin.lines().next().unwrap_or_default());
    let signer =
        Arc::new(Pkcs11Signer::open(&Pkcs11Options { module: module.into(), token: token.clone(), pin })?);

    let held = signer.generate(SigningAlgorithm::Es256)?;
    println!("made {}", held.reference);
    let key = SigningKey::elsewhere(Arc::<Pkcs11Signer>::clone(&signer), held.clone())?;
    let compact = key.sign("at+jwt", br#"{"sub":"spiffe://acme.example/acct/proj/agent/refunds"}"#)?;
    verify(parse(&compact)?, &held.public)?;
    println!("it signed, and its public half verified that");

    signer.discard(&held.reference)?;
    assert!(signer.sign(&held.reference, SigningAlgorithm::Es256, b"a.b").is_err());
    println!("destroyed it");
    Ok(())
}
