//! Keys that are made on the machine itself, without a server: the first one, and one for who has none any more.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use api::access::{Mint, Minted};
use jobs_core::{ProjectId, Scope, Scopes};
use jobs_runtime::{
    Config,
    secret::{ServerSecret, write_private},
};
use jobs_store::{NewKey, Store, StoreConfig, Until};

use crate::place;

/// Makes a key in the default project: with `scopes`, or with all of them when none is named.
pub(crate) async fn create_key(name: &str, scopes: &[String], expires: Option<Duration>) -> anyhow::Result<Minted> {
    let mut config = Config::load()?;
    let url = place::find_database(&mut config)?;
    let secret = ServerSecret::of(&config)?;
    let secret = secret.context("no secret key: set LONGSHORE_SECRET_KEY as it is for the API, or its file")?;
    let scopes: Scopes = match scopes {
        [] => Scopes::all(),
        names => names.iter().map(|name| name.parse::<Scope>()).collect::<Result<_, _>>()?,
    };
    let store = Store::new(&StoreConfig::new(url)).context("read DATABASE_URL")?;
    make(&store, &secret, name, scopes, expires.map(Until::After)).await
}

/// Makes the first key of an installation that has none, and keeps it in the data folder for the commands of this user. `None` when
/// there is one already.
pub(crate) async fn first_key(config: &Config, url: &str, secret: &ServerSecret) -> anyhow::Result<Option<Minted>> {
    let store = Store::new(&StoreConfig::new(url)).context("read DATABASE_URL")?;
    if config.admin_key.is_some() || store.has_operator_key().await? {
        return Ok(None);
    }
    let minted = make(&store, secret, "first", Scopes::all(), None).await?;
    let path = config.api_key_file();
    // What lies there is of an installation that is gone.
    let _ = std::fs::remove_file(&path);
    write_private(&path, &minted.text).with_context(|| format!("write {}", path.display()))?;
    Ok(Some(minted))
}

async fn make(
    store: &Store,
    secret: &ServerSecret,
    name: &str,
    scopes: Scopes,
    until: Option<Until>,
) -> anyhow::Result<Minted> {
    let minted = Mint::new(secret).make();
    let (id, hash) = (minted.id, minted.hash);
    let (project, name, limits) = (ProjectId::DEFAULT, name.to_owned(), BTreeMap::new());
    let new = NewKey { id, hash, project, name, scopes, limits, until, created_by: None };
    store.create_key(&new).await.context("write the key")?;
    Ok(minted)
}
