//! The log of a process.

use std::{
    fmt,
    io::{self, IsTerminal as _},
};

use tracing::{Event, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{self, Format, Writer},
    },
    layer::SubscriberExt as _,
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use crate::config::{LogConfig, LogFormat};

/// Why the log cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is neither a level nor directives.
    #[error("{variable}: cannot read `{level}` as a level or directives")]
    BadLevel {
        /// The variable that said so.
        variable: &'static str,
        /// What it said.
        level: String,
        /// Why it cannot be read.
        source: tracing_subscriber::filter::ParseError,
    },
    /// This process has a log already.
    #[error("the log was started twice")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts the log on standard error, every line with the role of this process.
///
/// # Errors
/// When the level cannot be read, or the log was started before.
pub fn init(config: &LogConfig, role: &'static str) -> Result<(), TelemetryError> {
    let (variable, level) = match crate::config::rust_log() {
        Some(level) => ("RUST_LOG", level),
        None => ("LONGSHORE_LOG_LEVEL", config.level.clone()),
    };
    let filter = EnvFilter::try_new(&level).map_err(|source| TelemetryError::BadLevel { variable, level, source })?;
    let terminal = io::stderr().is_terminal();
    let pretty = match config.format {
        LogFormat::Auto => terminal,
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(terminal);
    if pretty {
        let format = Format::default().with_target(false).compact();
        registry.with(layer.event_format(Pretty { role, format })).try_init()?;
    } else {
        let format = Format::default().json().flatten_event(true).with_current_span(true).with_span_list(false);
        registry.with(layer.json().event_format(Json { role, format })).try_init()?;
    }
    Ok(())
}

/// A line for people, which begins with the role: `longshore up` shows the lines of several processes.
struct Pretty {
    role: &'static str,
    format: Format<format::Compact>,
}

impl<S, N> FormatEvent<S, N> for Pretty
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let (dim, plain) = if writer.has_ansi_escapes() { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        write!(writer, "{dim}{:<9}{plain} ", self.role)?;
        self.format.format_event(context, writer, event)
    }
}

/// A JSON object with the role as its first member.
struct Json {
    role: &'static str,
    format: Format<format::Json>,
}

impl<S> FormatEvent<S, format::JsonFields> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, format::JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.format.format_event(context, Writer::new(&mut line), event)?;
        let members = line.strip_prefix('{').ok_or(fmt::Error)?;
        write!(writer, "{{\"role\":\"{}\",{members}", self.role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("lines").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_json_line_carries_role_message_fields_and_span() {
        let lines = Lines::default();
        let writer = lines.clone();
        let format = Format::default().json().flatten_event(true).with_current_span(true).with_span_list(false);
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .json()
            .event_format(Json { role: "worker", format });
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let span = tracing::info_span!("attempt", task.id = "task_1", attempt = 2);
            let _entered = span.enter();
            tracing::info!(code = "x\"y", "started");
        });

        let line = String::from_utf8(lines.0.lock().expect("lines").clone()).expect("UTF-8");
        let json: serde_json::Value = serde_json::from_str(&line).expect(&line);
        assert_eq!(json["role"], "worker");
        assert_eq!(json["message"], "started");
        assert_eq!(json["code"], "x\"y");
        assert_eq!(json["span"]["task.id"], "task_1");
        assert_eq!(json["span"]["attempt"], 2);
    }
}
