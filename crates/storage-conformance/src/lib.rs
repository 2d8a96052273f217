//! The suite every storage backend runs: one async function a promise of the traits.
//!
//! A backend's whole test is [`store_conformance!`] with a function that makes a fresh store:
//!
//! ```
//! async fn fresh() -> std::sync::Arc<zeroid_storage::MemoryStore> {
//!     std::sync::Arc::new(zeroid_storage::MemoryStore::new())
//! }
//! zeroid_storage_conformance::store_conformance!(fresh);
//! # fn main() {}
//! ```
//!
//! The tiers: basic, facts, clients, delegation routes, cut-offs, lists, conflict (two claims, exactly one wins), contention, cancellation, and
//! tenant isolation. It knows no backend.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a promise that is broken panics"
)]

pub mod basic;
pub mod clients;
pub mod conflict;
pub mod contention;
pub mod cut_offs;
pub mod delegation_routes;
pub mod fixtures;
pub mod isolation;
pub mod lists;

use std::sync::Arc;

use zeroid_storage::Store;

/// A store shared by the tasks of one case.
pub type Shared = Arc<dyn Store>;

/// Every case as a test of its own. The argument is an async function that gives an `Arc` of a fresh store, or of
/// something that owns one and dereferences to it through [`HasStore`].
#[macro_export]
macro_rules! store_conformance {
    ($fresh:path) => {
        $crate::store_conformance!(@cases $fresh,
            basic: [
                what_is_registered_reads_back_exactly, an_identity_and_its_key_are_stored_together_or_not_at_all,
                policies_are_made_changed_and_deleted, a_tenant_has_one_default_policy,
                a_credential_reads_back_with_what_its_life_is_judged_by, a_use_of_a_key_is_counted,
                signing_keys_are_kept_in_order, server_facts_are_written_once, a_sweep_expires_and_forgets,
                what_ended_long_ago_is_forgotten_and_what_lives_is_whole,
                facts_of_unknown_things_are_absent,
            ],
            clients: [
                a_client_reads_back_exactly, a_client_name_is_given_once, a_client_refers_to_what_its_tenant_has,
                what_ends_a_client_ends_what_it_was_issued, a_changed_client_refuses_an_issuance,
                something_spent_alone_is_used_once, clients_are_seen_by_their_tenant_alone,
            ],
            delegation_routes: [
                a_route_reads_back_exactly, a_route_joins_what_its_tenant_has, routes_from_one_identity_are_bounded,
                a_deleted_route_refuses_an_issuance_and_leaves_what_it_made, routes_are_seen_by_their_tenant_alone,
            ],
            cut_offs: [
                a_bounded_cut_off_covers_what_came_before, a_later_cut_off_leaves_the_earlier_one,
                a_credential_is_cut_once_and_for_ever, a_chain_shows_where_it_was_cut,
                a_signing_key_is_cut_in_every_tenant, an_owner_and_a_tenant_are_cut_off,
                a_dead_chain_takes_no_child, a_changed_fact_refuses_an_issuance,
                a_change_brings_its_cut_offs_and_keys, a_revoked_key_cuts_what_it_minted,
            ],
            lists: [
                identities_are_filtered_and_paged, search_takes_wildcards_literally, facets_count,
                keys_are_listed_by_state, credentials_are_listed_by_identity_and_by_mission, policies_are_paged,
            ],
            conflict: [
                an_external_id_is_given_once, a_policy_name_is_given_once, something_single_use_is_used_once,
                what_is_spent_with_nothing_issued_is_spent,
                of_two_changes_of_one_version_one_wins, a_refused_issuance_uses_nothing_up,
                what_an_identity_asks_with_is_alive_and_used_once, what_does_not_exist_cannot_be_referred_to,
            ],
            contention: [
                many_registrations_at_once_all_stand, of_many_claims_on_one_name_one_wins,
                of_many_claims_on_one_spend_one_wins, of_many_that_spend_and_issue_one_wins, orders_never_repeat,
                an_issuance_that_races_a_cut_off_leaves_nothing_alive, a_dropped_call_leaves_the_store_usable,
                two_first_starts_agree_on_the_keys,
            ],
            isolation: [
                tenants_do_not_see_each_other, a_foreign_id_is_answered_like_an_unknown_one,
                a_cut_off_stays_in_its_tenant,
            ],
        );
    };
    (@cases $fresh:path, $($tier:ident: [$($case:ident),* $(,)?],)*) => {
        $(mod $tier {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                let fresh = $fresh().await;
                $crate::$tier::$case($crate::HasStore::shared(&fresh)).await;
            })*
        })*
    };
}

/// Something that has a store; the value lives as long as the case, and with it whatever the store needs.
pub trait HasStore {
    /// The store.
    fn shared(&self) -> Shared;
}

impl<S: Store + 'static> HasStore for Arc<S> {
    fn shared(&self) -> Shared {
        Arc::<S>::clone(self)
    }
}
