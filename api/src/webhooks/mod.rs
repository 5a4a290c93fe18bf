//! The operations on webhooks, a file each.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod deliveries;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod receiver;
pub(crate) mod recover;
pub(crate) mod redeliver;
pub(crate) mod rotate;
pub(crate) mod stats;
pub(crate) mod test;
pub(crate) mod update;
mod view;

use jobs_core::WebhookId;
use jobs_store::webhook::EndpointRow;

pub(crate) use create::CreateWebhook;
pub(crate) use deliveries::DeliveryPage;
pub(crate) use list::WebhookPage;
pub(crate) use receiver::Receivers;
pub(crate) use recover::{Recover, Recovered};
pub(crate) use rotate::RotateWebhook;
pub(crate) use stats::WebhookStats;
pub(crate) use update::UpdateWebhook;
pub(crate) use view::{DeliveryView, NewWebhookView, WebhookView};

use crate::{
    app::App,
    caller::Caller,
    problem::{Code, Problem},
};

/// An endpoint that `caller` may see: one of its project.
pub(crate) async fn find(app: &App, caller: &Caller, id: WebhookId) -> Result<EndpointRow, Problem> {
    app.store.endpoint(caller.project, id).await?.ok_or_else(|| Problem::no_webhook(&id.to_string()))
}

fn disabled() -> Problem {
    Problem::new(Code::WebhookDisabled, "the webhook is disabled, so nothing is sent to it: enable it first")
}
