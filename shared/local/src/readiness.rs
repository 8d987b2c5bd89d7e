//! `postern readiness`: how many accounts are ready for the day on which a set-up is required, as numbers, as CSV and
//! as a page. Of a deployment's table, or of the data folder of a local run.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::{Timestamp, Unit};
use postern_domain::readiness::{Measure, Part, Readiness};
use postern_http::{Clock, Settings};
use postern_store::{StoreError, Survey};
use tokio::time::{MissedTickBehavior, interval};

use crate::run::{self, NotStarted};

/// Counts, over all accounts, who is ready for the day on which a set-up is required.
#[derive(Debug, Clone, Args)]
pub struct ReadinessOptions {
    /// The deployment's table of accounts (the stack's output `AccountsTable`). Region and credentials come from the
    /// environment: `AWS_REGION`, and what `aws configure export-credentials --format env` prints. Without it, the
    /// data folder of a local run is read.
    #[arg(long, value_name = "NAME", conflicts_with = "data")]
    pub table: Option<String>,

    /// The data folder of a local run, which must not be running.
    #[arg(long, value_name = "DIR", default_value = ".postern")]
    pub data: PathBuf,

    /// From when a set-up is required: the deployment's `SetUpRequiredFrom`.
    #[arg(long, value_name = "INSTANT", default_value = "2025-03-07T06:00:00Z")]
    pub set_up_required_from: Timestamp,

    /// How many items are read in a second, so that people who sign in have the table to themselves: an account is 2
    /// to 10 items beside its activity, and 500 items are about 25 read capacity units.
    #[arg(long, value_name = "ITEMS", default_value_t = 500, value_parser = clap::value_parser!(i32).range(1..=100_000))]
    pub items_per_second: i32,

    /// Write the numbers there as comma-separated values.
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,

    /// Write a page with charts there.
    #[arg(long, value_name = "FILE")]
    pub page: Option<PathBuf>,
}

/// Why there is no report: a sentence for a person.
#[derive(thiserror::Error, Debug)]
pub enum NoReport {
    #[error(transparent)]
    Data(#[from] NotStarted),
    #[error("{0}. Region and credentials come from the environment; see postern readiness --help")]
    Environment(#[from] postern_http::InvalidSetting),
    #[error("The accounts could not be read: {0}")]
    Table(#[from] StoreError),
    #[error("{} could not be written: {cause}", file.display())]
    Output { file: PathBuf, cause: io::Error },
}

/// A survey's result, and when it was made.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    pub readiness: Readiness,
    pub at: Timestamp,
    pub set_up_required_from: Timestamp,
    /// Items passed over.
    pub items: u64,
    /// Read capacity units that the survey took.
    pub capacity: f64,
}

impl ReadinessOptions {
    /// Reads every account, shows how far it is on standard error, and writes the files.
    ///
    /// # Errors
    ///
    /// Where the table or the folder cannot be read, and where a file cannot be written.
    pub async fn report(&self) -> Result<Report, NoReport> {
        let report = if let Some(table) = &self.table {
            let aws = postern_aws::config(&Settings::from_env())?;
            self.survey(postern_store::client((&aws).into()), table).await?
        } else {
            let (engine, _lock) = run::open_tables(&self.data).await?;
            self.survey(engine.client.clone(), crate::engine::ACCOUNTS).await?
        };
        if let Some(file) = &self.csv {
            write(file, &report.csv())?;
        }
        if let Some(file) = &self.page {
            write(file, &report.page())?;
        }
        Ok(report)
    }

    async fn survey(&self, client: Client, table: &str) -> Result<Report, StoreError> {
        let mut survey = Survey::new(client, table);
        let bar = ProgressBar::new(survey.items().await?);
        if let Ok(style) =
            ProgressStyle::with_template("{bar:40} {human_pos} of about {human_len} items, {eta} left")
        {
            bar.set_style(style);
        }
        let at = Clock::system().now();
        let mut report = Report {
            readiness: Readiness::default(),
            at,
            set_up_required_from: self.set_up_required_from,
            items: 0,
            capacity: 0.0,
        };
        // A page a second, of as many items as a second may read.
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            seconds.tick().await;
            let Some(page) = survey.next(self.items_per_second).await? else { break };
            page.accounts.iter().for_each(|account| report.readiness.count(account, at));
            report.items = report.items.saturating_add(page.items);
            report.capacity += page.capacity;
            bar.set_length(bar.length().unwrap_or(0).max(report.items));
            bar.set_position(report.items);
        }
        bar.finish_and_clear();
        Ok(report)
    }
}

fn write(file: &Path, content: &str) -> Result<(), NoReport> {
    fs::write(file, content).map_err(|cause| NoReport::Output { file: file.to_owned(), cause })
}

impl Report {
    /// For the terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}\n{}\n", self.heading(), self.time_left());
        for part in Part::ALL {
            let _ = writeln!(text, "\n{}", part.title());
            for measure in self.measures(part) {
                let (accounts, share) = (measure.accounts, self.percent(&measure));
                let _ = writeln!(text, "  {:<52}{accounts:>10}{share:>8}", measure.title);
            }
        }
        let _ = writeln!(
            text,
            "\nRegistrations under way, which are forgotten within a day: {}",
            self.readiness.unfinished
        );
        let _ = writeln!(text, "Read: {} items, {} read capacity units", self.items, self.capacity);
        text
    }

    /// A line for each measure: when, which, how many, and the share of all accounts (RFC 4180).
    #[must_use]
    pub fn csv(&self) -> String {
        let mut csv = "as_of,measure,accounts,share\r\n".to_owned();
        let mut line = |name: &str, accounts: u64| {
            let _ = write!(csv, "{},{name},{accounts},{:.4}\r\n", self.at, self.share(accounts));
        };
        line("accounts", self.readiness.accounts);
        self.readiness.measures().iter().for_each(|measure| line(measure.name, measure.accounts));
        csv
    }

    /// A page that stands alone: a bar for each measure.
    #[must_use]
    pub fn page(&self) -> String {
        let mut parts = String::new();
        for part in Part::ALL {
            let _ = write!(parts, "<h2>{}</h2>\n<table>\n", part.title());
            for measure in self.measures(part) {
                let Measure { title, accounts, .. } = measure;
                let _ = writeln!(
                    parts,
                    "<tr><th scope=\"row\">{title}</th><td>{accounts}</td><td>{}</td>\
                     <td><meter min=\"0\" max=\"{}\" value=\"{accounts}\">{accounts}</meter></td></tr>",
                    self.percent(&measure),
                    self.readiness.accounts.max(1),
                );
            }
            parts.push_str("</table>\n");
        }
        include_str!("readiness.html")
            .replace("{heading}", &self.heading())
            .replace("{time_left}", &self.time_left())
            .replace("{unfinished}", &self.readiness.unfinished.to_string())
            .replace("{parts}", &parts)
    }

    fn heading(&self) -> String {
        let at = self.at.strftime("%Y-%m-%d %H:%M UTC");
        format!("{} accounts, {} of them ready, as of {at}", self.readiness.accounts, self.readiness.ready)
    }

    fn time_left(&self) -> String {
        let from = self.set_up_required_from;
        if self.at >= from {
            return format!(
                "A set-up is required since {from}: who is held up can enrol, and gets no token until then."
            );
        }
        let hours = from.since((Unit::Hour, self.at)).map_or(0, |left| left.get_hours());
        format!("A set-up is required from {from}: in {} days and {} hours.", hours / 24, hours % 24)
    }

    fn measures(&self, part: Part) -> Vec<Measure> {
        let mut measures = self.readiness.measures();
        measures.retain(|measure| measure.part == part);
        measures
    }

    fn percent(&self, measure: &Measure) -> String {
        format!("{:.1} %", 100.0 * self.share(measure.accounts))
    }

    /// Of all accounts, between 0 and 1.
    #[expect(
        clippy::cast_precision_loss,
        clippy::as_conversions,
        reason = "a share for people, of less than 2^53"
    )]
    fn share(&self, accounts: u64) -> f64 {
        accounts as f64 / self.readiness.accounts.max(1) as f64
    }
}
