//! A token, and sessions with it that are kept for the next call.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::object::ObjectHandle;
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use zeroid_jose::Secret;

use crate::error::{Pkcs11Error, about_pin, one_line};

/// Handles of keys that a session remembers: the active key, and those before it that others still sign with.
const MAX_HANDLES: usize = 8;

/// A token that is logged into when there is something to do.
pub(crate) struct Token {
    /// Held for reading by every call, and for writing by none but the one that starts the module anew: no call may be
    /// under way then (PKCS#11 v2.40 §5.4).
    module: RwLock<Pkcs11>,
    /// Whether it was this token that started the module, and not somebody else in this process.
    started: bool,
    label: String,
    pin: AuthPin,
    idle: Mutex<Vec<Open>>,
    /// The token refused the PIN once: trying it again would lock the token.
    pin_refused: AtomicBool,
}

/// A session, and the keys it has found. A handle is good as long as its session (PKCS#11 v2.40 §6.7.5).
pub(crate) struct Open {
    pub(crate) session: Session,
    handles: Vec<(Vec<u8>, ObjectHandle)>,
}

impl Open {
    pub(crate) fn handle(&self, id: &[u8]) -> Option<ObjectHandle> {
        self.handles.iter().find(|(known, _)| known == id).map(|(_, handle)| *handle)
    }

    pub(crate) fn remember(&mut self, id: &[u8], handle: ObjectHandle) {
        if self.handles.len() >= MAX_HANDLES {
            self.handles.clear();
        }
        self.handles.push((id.to_vec(), handle));
    }
}

impl Token {
    /// Load the module, find the token, and log in.
    pub(crate) fn open(module: &Path, label: &str, pin: &Secret) -> Result<Self, Pkcs11Error> {
        let refused =
            |error: Error| Pkcs11Error::Module { path: module.to_owned(), why: one_line(&error.to_string()) };
        let loaded = Pkcs11::new(module).map_err(refused)?;
        let started = match initialize(&loaded) {
            Ok(()) => true,
            // Somebody else in this process uses the module too.
            Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => false,
            Err(error) => return Err(refused(error)),
        };
        let token = Self {
            module: RwLock::new(loaded),
            started,
            label: label.to_owned(),
            pin: AuthPin::from(pin.expose().to_owned()),
            idle: Mutex::default(),
            pin_refused: AtomicBool::new(false),
        };
        let first = token.fresh(&token.module.read().unwrap_or_else(PoisonError::into_inner), false)?;
        token.keep(first);
        Ok(token)
    }

    /// Do something with a session that may only read. Sessions are used again; when one that was used before fails,
    /// which it does after the token was away, it is tried once more with a fresh one.
    pub(crate) fn with_session<T>(
        &self,
        work: impl Fn(&mut Open) -> Result<T, Pkcs11Error>,
    ) -> Result<T, Pkcs11Error> {
        {
            let _module = self.module.read().unwrap_or_else(PoisonError::into_inner);
            let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            if let Some(mut open) = kept
                && let Ok(done) = work(&mut open)
            {
                self.keep(open);
                return Ok(done);
            }
        }
        let (_module, mut open) = self.opened(false)?;
        let done = work(&mut open)?;
        self.keep(open);
        Ok(done)
    }

    /// Do something with a session that may write; it is used this once.
    pub(crate) fn with_writing_session<T>(
        &self,
        work: impl FnOnce(&Session) -> Result<T, Pkcs11Error>,
    ) -> Result<T, Pkcs11Error> {
        let (_module, open) = self.opened(true)?;
        work(&open.session)
    }

    /// A fresh session, and the lock under which it may be used. When there is none, the module is started anew, once:
    /// some find a token that was away only then.
    fn opened(&self, writes: bool) -> Result<(RwLockReadGuard<'_, Pkcs11>, Open), Pkcs11Error> {
        let module = self.module.read().unwrap_or_else(PoisonError::into_inner);
        match self.fresh(&module, writes) {
            Ok(open) => return Ok((module, open)),
            Err(error @ (Pkcs11Error::Refused(_) | Pkcs11Error::NoToken(_))) => {
                drop(module);
                if !self.start_anew() {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
        let module = self.module.read().unwrap_or_else(PoisonError::into_inner);
        let open = self.fresh(&module, writes)?;
        Ok((module, open))
    }

    /// End the module's work and start it again, unless a call is under way: then whoever asks comes again.
    fn start_anew(&self) -> bool {
        let Some(module) = self.started.then(|| self.module.try_write().ok()).flatten() else { return false };
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let _ = module.clone().finalize();
        initialize(&module).is_ok()
    }

    fn keep(&self, open: Open) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(open);
    }

    /// A session that is logged in. The login is the application's: it lasts while any session is open.
    fn fresh(&self, module: &Pkcs11, writes: bool) -> Result<Open, Pkcs11Error> {
        if self.pin_refused.load(Ordering::Relaxed) {
            return Err(Pkcs11Error::WrongPin(self.label.clone()));
        }
        let slot = self.slot(module)?;
        let opened = if writes { module.open_rw_session(slot) } else { module.open_ro_session(slot) };
        let session = opened?;
        match session.login(UserType::User, Some(&self.pin)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(error) => {
                let error = about_pin(error, &self.label);
                let about = matches!(error, Pkcs11Error::WrongPin(_) | Pkcs11Error::LockedPin(_));
                self.pin_refused.fetch_or(about, Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok(Open { session, handles: Vec::new() })
    }

    /// Where the token is now: it may have been taken out and put in elsewhere.
    fn slot(&self, module: &Pkcs11) -> Result<Slot, Pkcs11Error> {
        let mut found = None;
        for slot in module.get_slots_with_token()? {
            if module.get_token_info(slot)?.label().trim_end() == self.label && found.replace(slot).is_some()
            {
                return Err(Pkcs11Error::TwoTokens(self.label.clone()));
            }
        }
        found.ok_or_else(|| Pkcs11Error::NoToken(self.label.clone()))
    }
}

fn initialize(module: &Pkcs11) -> Result<(), Error> {
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
}
