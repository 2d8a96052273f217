//! A checked fact is a type: claims nobody checked yet, and claims whose authenticity somebody checked.

/// Claims read from bytes that nobody has authenticated. Good for finding the key, for nothing else.
#[derive(Clone, Debug)]
pub struct Unverified<T>(T);

impl<T> Unverified<T> {
    /// Wrap what was read.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Look, to find which key or record would authenticate it.
    pub const fn peek(&self) -> &T {
        &self.0
    }

    /// Give the value up to the one who is about to authenticate it.
    pub fn into_unchecked(self) -> T {
        self.0
    }
}

/// Claims whose signature or recorded digest somebody checked.
#[derive(Clone, Debug)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// State that the authenticity of `claims` was checked. Only the crate that checks signatures may say so.
    pub const fn assert_signature_checked(claims: T) -> Self {
        Self(claims)
    }

    /// The authentic value.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// The authentic value, owned.
    pub fn into_inner(self) -> T {
        self.0
    }

    /// An authentic part of an authentic whole.
    pub fn map<U>(self, part: impl FnOnce(T) -> U) -> Verified<U> {
        Verified(part(self.0))
    }
}
