use std::ops::Deref;

use jiff::Timestamp;
use postern_local::{LocalRun, Options};
use tempfile::TempDir;

use crate::Portal;

/// An instant after every date of the notice, where frozen tests begin.
pub const T0: &str = "2026-12-01T12:00:00Z";

/// A local run of one test alone. Its folder goes with it.
pub struct Run {
    portal: Portal,
    local: LocalRun,
    _folder: TempDir,
}

impl Run {
    pub async fn start() -> Self {
        Self::with(false).await
    }

    async fn with(unlimited: bool) -> Self {
        Self::of(Options { unlimited, ..Options::default() }).await
    }

    /// As [`Self::unlimited`], with options of its own.
    pub async fn unlimited_with(options: Options) -> Self {
        let run = Self::of(Options { unlimited: true, ..options }).await;
        run.hold(run.t0()).await;
        run
    }

    async fn of(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { data: folder.path().to_owned(), ..options };
        let local = LocalRun::start(&options).await.unwrap();
        Self { portal: Portal::at(local.address().port()), local, _folder: folder }
    }

    /// With the clock held at [`T0`].
    pub async fn frozen() -> Self {
        let run = Self::start().await;
        run.hold(run.t0()).await;
        run
    }

    /// As [`Self::frozen`], without the limits per address: many people live at this one.
    pub async fn unlimited() -> Self {
        let run = Self::with(true).await;
        run.hold(run.t0()).await;
        run
    }

    pub fn t0(&self) -> Timestamp {
        T0.parse().unwrap()
    }

    pub fn local(&self) -> &LocalRun {
        &self.local
    }
}

impl Deref for Run {
    type Target = Portal;

    fn deref(&self) -> &Portal {
        &self.portal
    }
}
