//! The one function that judges.

use serde::{Deserialize, Serialize};

use crate::cleanup::{Fate, Verdict};

/// How much the mechanism that looked can be trusted to have seen everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Strength {
    /// Nobody looked, or the look failed.
    Blind,
    /// It looked, with a mechanism that a member can escape.
    MayMiss,
    /// It looked, with a mechanism that cannot miss a member, and that mechanism says: empty. Or it
    /// says what is left; then a fate says so.
    CannotMiss,
}

/// Judges what was observed. Nothing else in this project makes a [`Verdict`].
///
/// * Something seen alive is [`Verdict::Leaked`], whoever looked.
/// * Else [`Verdict::Clean`] takes a mechanism that cannot miss a member, and a fate other than
///   [`Fate::Unverified`] for every resource.
/// * All else is [`Verdict::Unverified`].
///
/// ```
/// use spawner_core::{Fate, Strength, Verdict, verdict};
///
/// assert_eq!(verdict(Strength::CannotMiss, [Fate::Killed]), Verdict::Clean);
/// assert_eq!(verdict(Strength::MayMiss, [Fate::Killed]), Verdict::Unverified);
/// assert_eq!(verdict(Strength::MayMiss, [Fate::Survived]), Verdict::Leaked);
/// ```
pub fn verdict(strength: Strength, fates: impl IntoIterator<Item = Fate>) -> Verdict {
    let mut doubt = strength != Strength::CannotMiss;
    let mut seen_alive = false;
    for fate in fates {
        match fate {
            Fate::Survived => seen_alive = true,
            Fate::Unverified => doubt = true,
            Fate::Exited | Fate::Terminated | Fate::Killed | Fate::Removed | Fate::AlreadyGone => {}
        }
    }
    match (seen_alive, doubt) {
        (true, _) => Verdict::Leaked,
        (false, true) => Verdict::Unverified,
        (false, false) => Verdict::Clean,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_fate() -> impl Strategy<Value = Fate> {
        prop::sample::select(Fate::ALL.to_vec())
    }

    fn any_strength() -> impl Strategy<Value = Strength> {
        prop::sample::select(vec![Strength::Blind, Strength::MayMiss, Strength::CannotMiss])
    }

    proptest! {
        #[test]
        fn clean_takes_a_mechanism_that_cannot_miss_and_every_fate_gone(
            strength in any_strength(), fates in prop::collection::vec(any_fate(), 0..12),
        ) {
            let clean = verdict(strength, fates.iter().copied()) == Verdict::Clean;
            let gone = fates.iter().all(|fate| !matches!(fate, Fate::Survived | Fate::Unverified));
            prop_assert_eq!(clean, strength == Strength::CannotMiss && gone);
        }

        #[test]
        fn one_survivor_is_a_leak_whoever_looked(
            strength in any_strength(), fates in prop::collection::vec(any_fate(), 0..12),
        ) {
            let leaked = verdict(strength, fates.iter().copied()) == Verdict::Leaked;
            prop_assert_eq!(leaked, fates.contains(&Fate::Survived));
        }

        #[test]
        fn the_order_of_the_fates_is_of_no_consequence(
            strength in any_strength(), fates in prop::collection::vec(any_fate(), 0..12),
        ) {
            let backwards = verdict(strength, fates.iter().rev().copied());
            prop_assert_eq!(verdict(strength, fates), backwards);
        }

        #[test]
        fn weaker_evidence_never_gives_a_better_verdict(
            fates in prop::collection::vec(any_fate(), 0..12),
        ) {
            let rank = |strength| match verdict(strength, fates.iter().copied()) {
                Verdict::Clean => 2, Verdict::Unverified => 1, Verdict::Leaked => 0,
            };
            prop_assert!(rank(Strength::Blind) <= rank(Strength::MayMiss));
            prop_assert!(rank(Strength::MayMiss) <= rank(Strength::CannotMiss));
        }
    }
}
