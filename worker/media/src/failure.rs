//! Why a render failed, told from the error of a library or of the system.

use std::{io, path::Path};

use ffmpeg_next::Error;
use jobs_core::port::video::{RenderError, RenderFault};
use rustix::io::Errno;

/// An error of FFmpeg while doing `what`.
pub(crate) fn failed(what: &'static str) -> impl Fn(Error) -> RenderError {
    move |error| {
        let os = match error {
            Error::Other { errno } => Some(errno),
            _ => None,
        };
        RenderError::new(fault_of(os).unwrap_or(RenderFault::EncodeFailed), format!("cannot {what}: {error}"))
    }
}

/// A file at `path` that could not be written.
pub(crate) fn unwritten(path: &Path) -> impl Fn(io::Error) -> RenderError {
    move |error| {
        let fault = fault_of(error.raw_os_error()).unwrap_or(RenderFault::WriteFailed);
        RenderError::new(fault, format!("cannot write {}: {error}", path.display()))
    }
}

/// What an error of the operating system says about the room that is left.
fn fault_of(errno: Option<i32>) -> Option<RenderFault> {
    match Errno::from_raw_os_error(errno?) {
        Errno::NOSPC | Errno::DQUOT => Some(RenderFault::DiskFull),
        Errno::FBIG => Some(RenderFault::DiskLimit),
        Errno::NOMEM => Some(RenderFault::MemoryLimit),
        _ => None,
    }
}
