//! `longshore prices`: what is read where.

use std::{
    io::{self, BufRead, Write},
    process::ExitCode,
};

use clap::{Args, Subcommand, builder::PossibleValuesParser};
use jobs_prices::eval::{FORMS, Form};

/// The commands below `prices`.
#[derive(Debug, Subcommand)]
pub(crate) enum Prices {
    /// Answer cases from standard input, a line for a line, to hold a suite of your own against the readers
    #[command(after_long_help = FORMS)]
    Eval(Eval),
}

/// The form of the cases.
#[derive(Debug, Args)]
pub(crate) struct Eval {
    /// What the cases are
    #[arg(value_parser = PossibleValuesParser::new(Form::ALL.map(|(name, _)| name)))]
    form: String,
}

impl Prices {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Eval(eval) = self;
        let form: Form = eval.form.parse().map_err(anyhow::Error::msg)?;
        let mut out = io::stdout().lock();
        for line in io::stdin().lock().lines() {
            writeln!(out, "{}", form.answer(&line?))?;
        }
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}
