//! The folder of private servers: who may enter what, and who holds the lock.

use std::{
    fs::{self, File, Permissions, TryLockError},
    io::{Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{
    ServerError, ServerOptions,
    account::{Account, is_root},
    error::Trying as _,
};

/// The longest path of a socket that every system takes.
const LONGEST_SOCKET: usize = 103;

/// Where data is kept when root's account for a server cannot reach the folder that was asked for.
const FOR_ROOT: &str = "/var/lib/longshore";

/// A folder with everything of one pair of servers, locked by this process.
#[derive(Debug)]
pub(super) struct Place {
    base: PathBuf,
    /// `base/run`, or a short stand-in where that makes the path of a socket too long.
    run: PathBuf,
    pub(super) postgres_account: Option<Account>,
    pub(super) redis_account: Option<Account>,
    /// Folders that go with this value.
    passing: Vec<PathBuf>,
    temporary: Option<TempDir>,
    // The lock is held as long as this is open.
    _lock: File,
}

impl Place {
    pub(super) fn choose(options: &ServerOptions) -> Result<Self, ServerError> {
        let dir = &options.dir;
        fs::create_dir_all(dir).trying(|| format!("make the folder {}", dir.display()))?;
        let mut base = dir.canonicalize().trying(|| format!("find the folder {}", dir.display()))?;
        let mut passing = Vec::new();

        let (mut postgres_account, mut redis_account) = accounts(options, &base)?;
        let all_reach =
            |base: &Path| [&postgres_account, &redis_account].into_iter().flatten().all(|one| one.can_reach(base));
        if !all_reach(&base) {
            open_to_pass(&base)?;
        }
        if !all_reach(&base) {
            let key = key_of(&base);
            let elsewhere = if options.durable {
                Path::new(FOR_ROOT).join(key)
            } else {
                let elsewhere = Path::new("/tmp").join(format!("longshore-{key}"));
                passing.push(elsewhere.clone());
                elsewhere
            };
            make_folder(&elsewhere, 0o755)?;
            tracing::info!(
                asked = %base.display(), used = %elsewhere.display(),
                "private servers keep their data elsewhere: their accounts cannot reach a folder that only root can enter"
            );
            base = elsewhere;
            (postgres_account, redis_account) = accounts(options, &base)?;
        }

        let lock = lock(&base)?;
        let mut run = base.join("run");
        if run.join("postgres/.s.PGSQL.5432").as_os_str().len() > LONGEST_SOCKET {
            run = PathBuf::from(format!("/tmp/longshore-run-{}", key_of(&base)));
            passing.push(run.clone());
        }
        make_folder(&run, 0o711)?;
        make_folder(&base.join("logs"), 0o755)?;
        Ok(Self { base, run, postgres_account, redis_account, passing, temporary: None, _lock: lock })
    }

    pub(super) fn base(&self) -> &Path {
        &self.base
    }

    /// The log of a server.
    pub(super) fn log(&self, server: &str) -> PathBuf {
        self.base.join("logs").join(format!("{server}.log"))
    }

    /// The data of a server.
    pub(super) fn data(&self, server: &str) -> PathBuf {
        self.base.join(server)
    }

    /// The folder of a server's socket.
    pub(super) fn run(&self, server: &str) -> PathBuf {
        self.run.join(server)
    }

    /// Ties a folder to this value: it is deleted after the servers ended.
    pub(super) fn keep_temporary(&mut self, folder: TempDir) {
        self.temporary = Some(folder);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for folder in &self.passing {
            // Best effort: what stays is small, in a temporary folder, and used again by the next start.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

fn accounts(options: &ServerOptions, base: &Path) -> Result<(Option<Account>, Option<Account>), ServerError> {
    let wanted = options.as_user.as_deref();
    let find = |wants: bool, server, usual: &[&str]| {
        let names = wanted.map_or_else(|| usual.to_vec(), |name| vec![name]);
        if wants { Account::find(server, &names, &base.join(server)) } else { Ok(None) }
    };
    let postgres = find(options.postgres, "postgres", &["postgres", "nobody"])?;
    let redis = find(options.redis, "redis", &["redis", "nobody"])?;
    Ok((postgres, redis))
}

/// A new folder under the system's temporary one that accounts may pass through.
pub(super) fn temporary() -> Result<TempDir, ServerError> {
    tempfile::Builder::new()
        .prefix("longshore-")
        .permissions(Permissions::from_mode(0o711))
        .tempdir()
        .trying(|| "make a temporary folder".into())
}

/// Makes `dir` for `account` alone, or checks that it is.
pub(super) fn make_private(dir: &Path, account: Option<&Account>) -> Result<(), ServerError> {
    make_folder(dir, 0o700)?;
    if let Some(account) = account {
        chown(dir, Some(account.uid), Some(account.gid)).trying(|| format!("give {} away", dir.display()))?;
    }
    Ok(())
}

/// Makes `dir`. One that exists must be a real folder of ours: others can write where the stand-ins are.
fn make_folder(dir: &Path, mode: u32) -> Result<(), ServerError> {
    fs::create_dir_all(dir).trying(|| format!("make the folder {}", dir.display()))?;
    let found = fs::symlink_metadata(dir).trying(|| format!("look at {}", dir.display()))?;
    let ours = is_root() || found.uid() == rustix::process::geteuid().as_raw();
    let planted = found.uid() != 0 && dir.parent() == Some(Path::new("/tmp"));
    if !found.is_dir() || !ours || (is_root() && planted) {
        return Err(ServerError::NotOurs { dir: dir.to_owned() });
    }
    fs::set_permissions(dir, Permissions::from_mode(mode)).trying(|| format!("set the mode of {}", dir.display()))
}

/// Lets everybody pass through `dir`, which is ours, without seeing what is in it.
fn open_to_pass(dir: &Path) -> Result<(), ServerError> {
    let mode = fs::metadata(dir).trying(|| format!("look at {}", dir.display()))?.mode();
    let open = Permissions::from_mode((mode & 0o7777) | 0o011);
    fs::set_permissions(dir, open).trying(|| format!("set the mode of {}", dir.display()))
}

/// Takes the lock of the folder and leaves our process id in it for whoever finds it taken.
fn lock(base: &Path) -> Result<File, ServerError> {
    let path = base.join("lock");
    let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = match opened {
        Err(err) if err.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(ServerError::NotOurs { dir: base.to_owned() });
        }
        opened => opened.trying(|| format!("open {}", path.display()))?,
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            file.read_to_string(&mut pid).trying(|| format!("read {}", path.display()))?;
            return Err(ServerError::InUse { dir: base.to_owned(), pid: pid.trim().to_owned() });
        }
        Err(TryLockError::Error(err)) => {
            return Err(err).trying(|| format!("lock {}", path.display()));
        }
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .trying(|| format!("write {}", path.display()))?;
    Ok(file)
}

/// A short name for a path that is the same in every run and version (FNV-1a, 64 bits).
fn key_of(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = path.as_os_str().as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, step);
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_path_never_changes() {
        assert_eq!(key_of(Path::new("a")), "af63dc4c8601ec8c"); // from the FNV specification
        assert_ne!(key_of(Path::new("/srv/a")), key_of(Path::new("/srv/b")));
    }
}
