//! The operations on API keys, a file each.

pub(crate) mod create;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod revoke;
pub(crate) mod rotate;
mod view;

use jobs_core::{KeyId, ProjectId, Scope, Scopes};
use jobs_store::KeyRow;

pub(crate) use create::CreateKey;
pub(crate) use rotate::RotateKey;
pub(crate) use view::{KeyView, NewKeyView};

use crate::{access::insufficient_scope, app::App, caller::Caller, problem::Problem};

/// A key that `caller` may see: one of its project, or any if it operates the installation.
pub(crate) async fn find(app: &App, caller: &Caller, id: KeyId) -> Result<KeyRow, Problem> {
    let row = app.store.key(id).await?.filter(|row| in_reach(caller, row.project));
    row.ok_or_else(|| Problem::no_key(&id.to_string()))
}

fn in_reach(caller: &Caller, project: ProjectId) -> bool {
    project == caller.project || caller.scopes.has(Scope::Operator)
}

/// Refuses what would give away, or take from others, what `caller` may not do itself.
pub(crate) fn check_reach(caller: &Caller, scopes: Scopes) -> Result<(), Problem> {
    match scopes.without(caller.scopes).iter().next() {
        None => Ok(()),
        Some(scope) => {
            let detail = format!("a key decides about keys with the scopes that it has; it lacks {scope}");
            Err(insufficient_scope(scope, &detail))
        }
    }
}
