//! A database of one test, as a copy of a migrated template.

use std::{
    str::FromStr as _,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use jobs_store::{MIGRATOR, Store, StoreConfig};
use sha2::{Digest as _, Sha256};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::Servers;

/// Any number: whoever holds this lock makes the template, or a copy of it.
const TEMPLATE_LOCK: i64 = 0x7465_6d70_6c61_7465;

/// A database of one test. It goes with this value.
#[derive(Debug)]
pub struct Database {
    /// Its address.
    pub url: String,
    /// Connections to it, for the test itself.
    pub pool: PgPool,
    name: String,
    servers: Arc<Servers>,
}

impl Database {
    /// A new database with every migration and no rows.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn new(servers: &Arc<Servers>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let url = url_of(servers.database_url(), &name);
        copy_template(servers.database_url(), &name).await.unwrap_or_else(|error| panic!("a test database: {error}"));
        let options = PgConnectOptions::from_str(&url).expect("the address of a database");
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(30))
            .connect_lazy_with(options.application_name("test"));
        Self { url, pool, name, servers: servers.clone() }
    }

    /// A store on it.
    ///
    /// # Panics
    /// Never: the address is one that was used before.
    #[must_use]
    pub fn store(&self) -> Store {
        let config = StoreConfig { pool_size: 8, ..StoreConfig::new(&self.url) };
        Store::new(&config).expect("the address of a database")
    }

    /// The servers that it lies on.
    #[must_use]
    pub fn servers(&self) -> &Arc<Servers> {
        &self.servers
    }

    /// Runs statements that give nothing.
    ///
    /// # Panics
    /// When Postgres refuses.
    pub async fn execute(&self, sql: &str) {
        self.pool.execute(AssertSqlSafe(sql)).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The number that a statement gives.
    ///
    /// # Panics
    /// When it gives none.
    pub async fn count(&self, sql: &str) -> i64 {
        let number = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.pool).await;
        number.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (url, name) = (self.servers.database_url().to_owned(), self.name.clone());
        // On a thread of its own: this may be dropped inside a runtime.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&url).await?;
                connection.execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))).await?;
                connection.close().await?;
                anyhow::Ok(())
            })
        });
        // A server that was stopped by its test takes its databases along.
        let _ = dropped.join();
    }
}

/// Makes the database `name` as a copy of the template, which is made first if need be.
async fn copy_template(url: &str, name: &str) -> anyhow::Result<()> {
    let template = template_name();
    let mut connection = PgConnectOptions::from_str(url)?.connect().await?;
    // Tests are processes of their own, and Postgres copies no template that somebody uses: they take turns.
    sqlx::query("SELECT pg_advisory_lock($1)").bind(TEMPLATE_LOCK).execute(&mut connection).await?;
    let known: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(&template)
        .fetch_one(&mut connection)
        .await?;
    if !known {
        // Renamed when it is whole: one that was left half way is never taken for a template.
        let draft = format!("{template}_draft");
        connection.execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {draft}"))).await?;
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE {draft}"))).await?;
        jobs_store::migrate(&url_of(url, &draft)).await?;
        rename(&mut connection, &draft, &template).await?;
    }
    connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE {template}"))).await?;
    // Closing gives the lock back.
    connection.close().await?;
    Ok(())
}

async fn rename(connection: &mut PgConnection, draft: &str, template: &str) -> anyhow::Result<()> {
    let rename = format!("ALTER DATABASE {draft} RENAME TO {template}");
    // The connection that migrated was closed by us, which its server notices a moment later.
    for _ in 0..500 {
        match connection.execute(AssertSqlSafe(rename.as_str())).await {
            Ok(_) => return Ok(()),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55006") => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    anyhow::bail!("the template is still in use")
}

/// Other migrations are another template.
fn template_name() -> String {
    let mut digest = Sha256::new();
    for migration in MIGRATOR.iter() {
        digest.update(&*migration.checksum);
    }
    format!("template_{}", &hex::encode(digest.finalize())[..16])
}

/// The address of another database on the same server.
fn url_of(url: &str, name: &str) -> String {
    let mut url = url::Url::parse(url).expect("the address of a database");
    url.set_path(name);
    url.to_string()
}
