//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use postern_domain::recovery_code::Format;

use crate::readiness::ReadinessOptions;

/// Runs all of Postern on this machine, for trying it out and for tests.
#[derive(Debug, Clone, Parser)]
#[command(name = "postern", version, args_conflicts_with_subcommands = true)]
pub struct CommandLine {
    #[command(flatten)]
    pub run: Options,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the program does beside the local run.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    Readiness(ReadinessOptions),
}

/// The local run's flags.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of a command line")]
pub struct Options {
    /// The port on 127.0.0.1. 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,

    /// Where accounts and keys are kept.
    #[arg(long, value_name = "DIR", default_value = ".postern")]
    pub data: PathBuf,

    /// Forget what an earlier run kept there.
    #[arg(long)]
    pub fresh: bool,

    /// Lift the limits per address and for the whole deployment. Those per account, per number and per
    /// secret stay.
    #[arg(long)]
    pub unlimited: bool,

    /// Keep an account of the old style: password and email alone, registered a year before the notice's dates.
    #[arg(long)]
    pub seed: bool,

    /// How new recovery codes are written: `decimal`, or `crockford` for 16 symbols of base 32.
    #[arg(long, value_name = "FORMAT", default_value = "decimal")]
    pub recovery_code_format: Format,

    /// Ask for another proof beside the recovery code.
    #[arg(long)]
    pub recovery_second_proof: bool,
}
