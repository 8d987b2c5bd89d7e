//! `cargo run`: the local run, from the command line; and what operations ask of a deployment.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use postern_local::{
    Command, CommandLine, LocalRun, Options, ReadinessOptions, SEEDED_EMAIL, SEEDED_PASSWORD, SEEDED_USERNAME,
};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let CommandLine { run, command } = CommandLine::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    match command {
        None => serve(&run).await,
        Some(Command::Readiness(options)) => report(&options).await,
    }
}

async fn serve(options: &Options) -> ExitCode {
    match LocalRun::start(options).await {
        Ok(run) => {
            let shown = greet(&run, options);
            stop_signal().await;
            run.stop().await;
            if shown.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(reason) => {
            let _ = writeln!(std::io::stderr(), "Postern did not start.\n{reason}");
            ExitCode::FAILURE
        }
    }
}

async fn report(options: &ReadinessOptions) -> ExitCode {
    match options.report().await {
        Ok(report) => match std::io::stdout().lock().write_all(report.text().as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(reason) => {
            let _ = writeln!(std::io::stderr(), "There is no report.\n{reason}");
            ExitCode::FAILURE
        }
    }
}

fn greet(run: &LocalRun, options: &Options) -> std::io::Result<()> {
    let origin = run.origin();
    let limits = if options.unlimited {
        "\n  Limits per address and for the whole deployment are lifted."
    } else {
        ""
    };
    let seeded = if options.seed {
        format!("\n  Seeded     {SEEDED_USERNAME}, {SEEDED_EMAIL}, password \"{SEEDED_PASSWORD}\"")
    } else {
        String::new()
    };
    // In one piece: whoever reads the address may read the rest.
    let greeting = format!(
        "Postern is up.\n\n  Open       {origin}\n  Register   {origin}/register\n  Messages   {origin}/dev/messages.html{seeded}\n\n  \
         Data is kept in {} (--fresh forgets it).{limits}\n  Ctrl-C stops it.\n\n",
        options.data.display()
    );
    let mut out = std::io::stdout().lock();
    out.write_all(greeting.as_bytes())?;
    out.flush()
}

async fn stop_signal() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    let _ = tokio::signal::ctrl_c().await;
}
