//! The life of an identity and the changes it allows.

use crate::vocabulary;

vocabulary!(
    /// Where an identity is in its life. Only [`Status::Active`] may act.
    Status, "status", {
        /// Seen somewhere, claimed by nobody yet.
        Discovered = "discovered",
        /// Adopted by an owner, not yet switched on.
        Pending = "pending",
        /// May act.
        Active = "active",
        /// Stopped for now: nothing it holds is alive until it is active again.
        Suspended = "suspended",
        /// Stopped for good: what it held never lives again.
        Deactivated = "deactivated",
        /// Its time ran out.
        Expired = "expired",
    }
);

/// The life cycle has no arrow between these two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an identity that is {from} cannot become {to}")]
pub struct TransitionRefused {
    /// What it is.
    pub from: Status,
    /// What was asked for.
    pub to: Status,
}

impl Status {
    /// Whether an identity in this state may authenticate and hold live credentials.
    pub const fn may_act(self) -> bool {
        matches!(self, Self::Active)
    }

    /// Check the change to `to`. The same status is no change and always allowed.
    ///
    /// # Errors
    /// [`TransitionRefused`] when the life cycle has no such arrow (house rule P6).
    pub fn change_to(self, to: Self) -> Result<Self, TransitionRefused> {
        use Status::{Active, Deactivated, Discovered, Expired, Pending, Suspended};
        let allowed = self == to
            || matches!(
                (self, to),
                (Discovered, Pending | Active | Deactivated)
                    | (Pending, Active | Discovered | Deactivated)
                    | (Active, Suspended | Deactivated | Expired)
                    | (Suspended, Active | Deactivated | Expired)
                    | (Deactivated, Active)
                    | (Expired, Deactivated)
            );
        if allowed { Ok(to) } else { Err(TransitionRefused { from: self, to }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_life_cycle() {
        use Status::{Active, Deactivated, Discovered, Expired, Pending, Suspended};
        let arrows = [
            (Discovered, Pending),
            (Discovered, Active),
            (Discovered, Deactivated),
            (Pending, Active),
            (Pending, Discovered),
            (Pending, Deactivated),
            (Active, Suspended),
            (Active, Deactivated),
            (Active, Expired),
            (Suspended, Active),
            (Suspended, Deactivated),
            (Suspended, Expired),
            (Deactivated, Active),
            (Expired, Deactivated),
        ];
        for &from in Status::ALL {
            for &to in Status::ALL {
                let expected = from == to || arrows.contains(&(from, to));
                assert_eq!(from.change_to(to).is_ok(), expected, "{from} to {to}");
            }
        }
    }

    #[test]
    fn only_the_active_may_act() {
        let acting: Vec<_> = Status::ALL.iter().filter(|status| status.may_act()).collect();
        assert_eq!(acting, [&Status::Active]);
    }
}
