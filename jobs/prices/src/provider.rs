//! Providers of GPUs as data: a definition says what to ask, where the offers stand in the answer, and what their
//! prices mean.
//!
//! A definition is checked when it is saved ([`Definition::compile`]) and run on an answer ([`Provider::read`]). One
//! small interpreter serves all of them; nothing here knows a provider by name. Deliberately absent: sending the
//! request.

mod check;
mod definition;
mod expr;
mod library;
mod read;

pub use self::{
    check::{Fault, Provider},
    definition::{Auth, Definition, Guard, Paginate, Per, PriceRule, Rate, Request, Unit},
    library::{Shipped, shipped},
    read::{Answer, Evidence, Offer, ReadError, Skip, SkipReason, Suspicion},
};
