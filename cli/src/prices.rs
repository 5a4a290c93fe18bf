//! `longshore prices`: what is read where.

use std::{
    fs,
    io::{self, BufRead, Read as _, Write},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Args, Subcommand, builder::PossibleValuesParser};
use jobs_outbound::{Method, Outbound, OutboundConfig, Redirects, Request};
use jobs_prices::{
    eval::{FORMS, Form},
    page::{self, Offer, Options, Outcome, Rules},
};

use crate::client;

/// The commands below `prices`.
#[derive(Debug, Subcommand)]
pub(crate) enum Prices {
    /// Answer cases from standard input, a line for a line, to hold a suite of your own against the readers
    #[command(after_long_help = FORMS)]
    Eval(Eval),
    /// Say what is read on a page, where, and why it is no price: nothing is kept
    Try(Try),
    #[command(flatten)]
    Server(client::Prices),
}

/// The form of the cases.
#[derive(Debug, Args)]
pub(crate) struct Eval {
    /// What the cases are
    #[arg(value_parser = PossibleValuesParser::new(Form::ALL.map(|(name, _)| name)))]
    form: String,
}

/// What to read.
#[derive(Debug, Args)]
pub(crate) struct Try {
    /// The address of a page, a file, or - for standard input
    #[arg(value_name = "URL|FILE")]
    place: String,

    /// Where the price stands: css:.price, css:meta@content, jsonpath:$.price, regex:...; can be given again
    #[arg(long = "price", value_name = "RULE")]
    rules: Vec<String>,

    /// The article whose price is meant
    #[arg(long)]
    sku: Option<String>,
}

impl Prices {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Eval(eval) => eval.run(),
            Self::Try(page) => page.run().await,
            Self::Server(command) => client::run(command.into()).await,
        }
    }
}

impl Eval {
    fn run(self) -> anyhow::Result<ExitCode> {
        let form: Form = self.form.parse().map_err(anyhow::Error::msg)?;
        let mut out = io::stdout().lock();
        for line in io::stdin().lock().lines() {
            writeln!(out, "{}", form.answer(&line?))?;
        }
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Try {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let is_url = self.place.starts_with("http://") || self.place.starts_with("https://");
        let body = if is_url { fetch(&self.place).await? } else { read(&self.place)? };
        let price = self.rules.iter().map(|rule| rule.parse().with_context(|| format!("--price {rule}")));
        let rules = Rules { price: price.collect::<Result<_, _>>()?, ..Rules::default() };
        let options =
            Options { sku: self.sku.as_deref(), url: is_url.then_some(self.place.as_str()), zero_allowed: false };
        let reading = page::read(&body, &rules, &options);
        let mut out = io::stdout().lock();
        match (reading.outcome, &reading.offer) {
            (Outcome::Ok, Some(offer)) => writeln!(out, "{}", line(offer))?,
            (Outcome::Ambiguous, _) => {
                writeln!(out, "ambiguous: the page names prices that differ; --price or --sku decides")?;
            }
            (Outcome::RefusedZero, _) => writeln!(out, "refused: the price is zero")?,
            (Outcome::Parse, _) => writeln!(out, "unreadable: the page nests too deep")?,
            (Outcome::NoPrice | Outcome::Ok, _) => {
                writeln!(
                    out,
                    "no price: there is none in JSON-LD, microdata or OpenGraph; --price says where it stands"
                )?;
            }
        }
        for candidate in &reading.candidates {
            writeln!(out, "  {}  in {}", line(candidate), found_in(candidate))?;
        }
        Ok(if reading.outcome == Outcome::Ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// An offer in a line.
fn line(offer: &Offer) -> String {
    let currency = offer.currency.map(|currency| format!(" {currency}")).unwrap_or_default();
    let list = offer.list_price.map(|list| format!(" (list price {list})")).unwrap_or_default();
    let words = [offer.availability, offer.name.as_deref()].into_iter().flatten();
    let words: String = words.map(|word| format!(", {word}")).collect();
    // A page may hold what a terminal obeys.
    format!("{}{currency}{list}{words}", offer.price).replace(char::is_control, " ")
}

fn found_in(offer: &Offer) -> String {
    let method = serde_json::to_value(offer.evidence.method).unwrap_or_default();
    let method = method.as_str().unwrap_or_default().to_owned();
    format!("{method} {}: {:?}", offer.evidence.path.replace(char::is_control, " "), offer.evidence.raw)
}

fn read(place: &str) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    match place {
        "-" => drop(io::stdin().lock().read_to_end(&mut bytes)?),
        path => bytes = fs::read(path).with_context(|| format!("read {path}"))?,
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn fetch(url: &str) -> anyhow::Result<String> {
    let outbound = Outbound::new(OutboundConfig::default())?;
    let request = Request::new(Method::GET, url).redirects(Redirects::Follow(5));
    let mut answer = outbound.send(request).await?;
    anyhow::ensure!(answer.status.is_success(), "the host answered with {}", answer.status);
    Ok(String::from_utf8_lossy(&answer.body.all().await?).into_owned())
}
