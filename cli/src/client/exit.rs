//! The exit code of a client command, and its place in `--help`.

use std::process::ExitCode;

/// What a script can tell from the exit code alone.
///
/// The order is from the best to the worst: a command about several tasks ends with the worst of
/// its results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exit {
    Ok,
    Canceled,
    Failed,
    NotFound,
    Refused,
    Unreachable,
    Interrupted,
}

/// The last paragraph of every client command's `--help`.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
    0  done; where the command waits for a task, the task succeeded
    1  the task failed or expired
    2  bad arguments, a file that cannot be read or written, or a request the server refused (4xx)
    3  no such task or kind
    4  the task was canceled
    5  the server cannot be reached, answered with a fault (5xx), or sent a damaged file
  130  interrupted with Ctrl-C; the task goes on

Colours and bars appear on a terminal only; NO_COLOR turns colours off there too.";

impl Exit {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Refused => 2,
            Self::NotFound => 3,
            Self::Canceled => 4,
            Self::Unreachable => 5,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_in_the_help() {
        let all = [
            Exit::Ok,
            Exit::Canceled,
            Exit::Failed,
            Exit::NotFound,
            Exit::Refused,
            Exit::Unreachable,
            Exit::Interrupted,
        ];
        for exit in all {
            let line = format!("{:>5}  ", exit.code());
            assert!(EXIT_CODES.contains(&line), "{exit:?} is not in the help");
        }
    }

    #[test]
    fn the_worst_of_several_results_wins() {
        let worst = [Exit::Ok, Exit::Failed, Exit::Canceled].into_iter().max();
        assert_eq!(worst, Some(Exit::Failed));
    }
}
