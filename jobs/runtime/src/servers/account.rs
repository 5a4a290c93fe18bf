//! The account that a server runs as.

use std::{
    fs,
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::Path,
    process::Command,
};

use super::ServerError;

/// An ordinary account. Only root needs one: everybody else runs servers as themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Whether this process may become somebody else.
pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Account {
    /// The account for `server`, or nothing when this process is not root. Data that exists says whose it is; else the
    /// first of `names` that the system knows.
    pub(super) fn find(server: &'static str, names: &[&str], data: &Path) -> Result<Option<Self>, ServerError> {
        if !is_root() {
            return Ok(None);
        }
        if let Ok(found) = fs::metadata(data)
            && found.uid() != 0
        {
            return Ok(Some(Self { uid: found.uid(), gid: found.gid() }));
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let account = names.iter().find_map(|name| Self::read(&passwd, name));
        account.map(Some).ok_or_else(|| ServerError::NoAccount { server, names: names.join(" or ") })
    }

    /// The line of `name` in the text of `/etc/passwd`.
    fn read(passwd: &str, name: &str) -> Option<Self> {
        let mut fields = passwd.lines().map(|line| line.split(':')).find_map(|mut fields| {
            let found = fields.next() == Some(name);
            found.then_some(fields)
        })?;
        let uid = fields.nth(1)?.parse().ok().filter(|&uid| uid != 0)?;
        let gid = fields.next()?.parse().ok()?;
        Some(Self { uid, gid })
    }

    /// Whether this account may pass through every folder down to `dir`. Access lists are not asked.
    pub(super) fn can_reach(&self, dir: &Path) -> bool {
        dir.ancestors().filter(|dir| !dir.as_os_str().is_empty()).all(|dir| {
            fs::metadata(dir).is_ok_and(|found| {
                let bit = match () {
                    () if found.uid() == self.uid => 0o100,
                    () if found.gid() == self.gid => 0o010,
                    () => 0o001,
                };
                found.mode() & bit != 0
            })
        })
    }
}

/// Makes `command` run as `account`, with none of root's groups.
pub(super) fn run_as(command: &mut Command, account: Option<&Account>) {
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_from_its_line_and_never_is_root() {
        let passwd = "root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\npostgres:x:101:104:admin,,,:/var/lib:/bin/sh\n";
        assert_eq!(Account::read(passwd, "postgres"), Some(Account { uid: 101, gid: 104 }));
        assert_eq!(Account::read(passwd, "toor"), None);
        assert_eq!(Account::read(passwd, "post"), None);
    }

    #[test]
    fn a_closed_folder_on_the_way_cannot_be_passed() {
        use std::os::unix::fs::PermissionsExt as _;
        let outer =
            tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir().expect("a folder");
        let inner = outer.path().join("closed/inner");
        fs::create_dir_all(&inner).expect("folders");
        let stranger = Account { uid: 64_999, gid: 64_999 };
        assert!(stranger.can_reach(&inner));

        let closed = fs::Permissions::from_mode(0o700);
        fs::set_permissions(outer.path().join("closed"), closed).expect("permissions");
        assert!(!stranger.can_reach(&inner));
    }
}
