//! Double entry, append only, one ledger per order.
//!
//! Owns: which accounts there are and which transfers a sale is made of.
//! Must never: change or drop a transfer once posted; a mistake is mended by a transfer the other way.
//!
//! A transfer debits one account and credits another by the same amount, so a ledger balances by
//! construction; INV-MONEY-1 checks it all the same, INV-MONEY-2 that balances say what the order's state
//! says.

use serde::{Deserialize, Serialize};

/// A side of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Account {
    /// What the buyer owes for places sold.
    Buyer,
    /// What the payment provider owes for money captured.
    Provider,
    /// What the organiser has sold.
    Sales,
}

/// Why money was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Posting {
    /// The places were sold: the buyer owes, the organiser has sold.
    Sale,
    /// The money moved: the provider owes instead of the buyer.
    Capture,
    /// The money could not be moved: the sale is undone.
    SaleReversed,
}

/// One transfer of an amount between two accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// The shard's clock when it was posted, ms since the Unix epoch.
    pub at_ms: u64,
    /// Why.
    pub posting: Posting,
    /// How much, minor units of the show's currency.
    pub amount_minor: u64,
}

impl Transfer {
    /// The account debited and the account credited.
    #[must_use]
    pub const fn sides(&self) -> (Account, Account) {
        match self.posting {
            Posting::Sale => (Account::Buyer, Account::Sales),
            Posting::Capture => (Account::Provider, Account::Buyer),
            Posting::SaleReversed => (Account::Sales, Account::Buyer),
        }
    }
}

/// The transfers of one order, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    transfers: Vec<Transfer>,
}

impl Ledger {
    /// Posts a transfer.
    pub(crate) fn post(&mut self, at_ms: u64, posting: Posting, amount_minor: u64) {
        self.transfers.push(Transfer {
            at_ms,
            posting,
            amount_minor,
        });
    }

    /// All transfers, oldest first.
    #[must_use]
    pub fn transfers(&self) -> &[Transfer] {
        &self.transfers
    }

    /// Debits minus credits of one account, minor units.
    #[must_use]
    pub fn balance_minor(&self, account: Account) -> i128 {
        self.transfers
            .iter()
            .map(|transfer| {
                let (debit, credit) = transfer.sides();
                let amount = i128::from(transfer.amount_minor);
                i128::from(debit == account) * amount - i128::from(credit == account) * amount
            })
            .sum()
    }
}
