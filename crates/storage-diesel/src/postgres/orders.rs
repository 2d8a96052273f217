//! The sequence that orders issuances and cut-offs, for all replicas.
//!
//! One value of the database's sequence stands for a block of numbers. A block is used by the read or the transaction
//! that drew it and by nothing later: numbers kept for later would lie below a cut-off another replica makes meanwhile.

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use zeroid_storage::StoreError;
use zeroid_token_core::Order;

use super::{Conn, Shared};
use crate::error::unavailable;
use crate::rows::unsigned;

/// Numbers of a block; more than a batch of questions.
const BLOCK: u64 = 1024;

/// What is left of a block.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    next: u64,
    end: u64,
}

impl Numbers {
    pub(super) const fn of_block(block: u64) -> Self {
        Self { next: block * BLOCK, end: (block + 1) * BLOCK }
    }

    /// The next number.
    pub(super) fn draw(&mut self) -> Result<Order, StoreError> {
        if self.next == self.end {
            return Err(unavailable("a block of numbers is used up"));
        }
        self.next += 1;
        Ok(Order(self.next - 1))
    }
}

/// Numbers for a transaction that has the right to change facts: nobody else draws one that matters meanwhile.
#[derive(Debug, Default)]
pub(super) struct Orders(Numbers);

impl Orders {
    pub(super) fn draw(&mut self, conn: &mut Conn, _: &Shared) -> Result<Order, StoreError> {
        if self.0.next == self.0.end {
            let next = diesel::dsl::sql::<BigInt>("nextval('order_blocks')");
            let block: i64 = diesel::select(next).get_result(conn).map_err(unavailable)?;
            self.0 = Numbers::of_block(unsigned(block));
        }
        self.0.draw()
    }
}
