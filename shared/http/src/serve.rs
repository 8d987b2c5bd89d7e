//! The loop between a step and Lambda.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::X_CONTENT_TYPE_OPTIONS;
use http::{HeaderName, HeaderValue};
use lambda_http::{Body, Response, service_fn};
use postern_metrics::{Metric, Metrics, Tally};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{error, info, warn};

use crate::clock::Clock;
use crate::counts::count_outcome;
use crate::edge::Edge;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Request;
use crate::routes;
use crate::settings::{InvalidSetting, Settings};

/// What a step's body gives back.
pub type BoxFuture<'a> = Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send + 'a>>;

/// A step answers within this or is given up: before Lambda's own ten seconds are over, so that the client
/// gets an answer and not a gateway's error. What it wrote by then stands.
const PATIENCE: Duration = Duration::from_secs(8);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What surrounds every step: the refusals that need no step, and the headers that every answer has.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The origins whose pages may change something, to the letter (RFC 6454 §6.2).
    pub origins: Arc<[String]>,
    pub edge: Edge,
    pub metrics: Metrics,
    /// Of the metrics alone: a step has its own.
    pub clock: Clock,
}

impl Frame {
    /// Reads `ORIGINS`: comma separated; and what [`Edge`] does.
    pub fn from_settings(settings: &Settings) -> Result<Self, InvalidSetting> {
        let (origins, edge) = (settings.list("ORIGINS")?.into(), Edge::from_settings(settings)?);
        Ok(Self { origins, edge, metrics: Metrics::stdout(), clock: Clock::system() })
    }

    /// For what counts nothing, behind no edge.
    #[must_use]
    pub fn uncounted(origins: impl Into<Arc<[String]>>) -> Self {
        Self { origins: origins.into(), edge: Edge::Off, metrics: Metrics::to(drop), clock: Clock::system() }
    }

    /// Answers one request with `step`: the same code in Lambda and in the local run.
    pub async fn answer<'d, D>(
        &self,
        deps: &'d D,
        step: impl FnOnce(&'d D, Request) -> BoxFuture<'d>,
        request: lambda_http::Request,
    ) -> Response<Body> {
        self.answer_counting(deps, step, request, Tally::default()).await
    }

    async fn answer_counting<'d, D>(
        &self,
        deps: &'d D,
        step: impl FnOnce(&'d D, Request) -> BoxFuture<'d>,
        mut request: lambda_http::Request,
        tally: Tally,
    ) -> Response<Body> {
        let begun = Instant::now();
        let admitted = self.edge.admit(&mut request);
        let request = Request::new(request);
        let request_id = request.request_id();
        let (method, path) = (request.method().clone(), request.path().to_owned());
        let run = async {
            match admitted.and_then(|()| self.refuse(&request)) {
                Ok(()) => timeout(PATIENCE, step(deps, request))
                    .await
                    .unwrap_or_else(|late| Err(Problem::unavailable(late))),
                Err(problem) => Err(problem),
            }
        };
        let (outcome, mut tally) = tally.around(run).await;
        let request_id = request_id.unwrap_or_default();
        // What no route takes is the fallback's.
        let function = || routes::find(&method, &path).map_or("fallback", |route| route.function);
        count_outcome(&mut tally, function, &outcome);
        if !tally.is_empty() {
            self.metrics.write(&tally, function(), Some(&request_id), self.clock.now());
        }
        let reply = match outcome {
            Ok(reply) => {
                info!(request_id, %method, path = logged(&path), status = reply.status().as_u16(), "answered");
                reply
            }
            Err(problem) => {
                log_problem(&problem, &request_id, method.as_str(), logged(&path));
                problem.into_reply()
            }
        };
        let mut reply = reply.with_header(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Ok(value) = HeaderValue::try_from(request_id) {
            reply = reply.with_header(REQUEST_ID, value);
        }
        if !reply.least().is_zero() {
            sleep_until(begun + reply.least()).await;
        }
        reply.into_response()
    }

    fn refuse(&self, request: &Request) -> Result<(), Problem> {
        request.refuse_large_body()?;
        request.refuse_foreign_origin(&self.origins)
    }
}

/// Serves a step until Lambda ends the process.
pub async fn serve<D: Send + Sync>(
    frame: Frame,
    deps: D,
    step: impl for<'d> Fn(&'d D, Request) -> BoxFuture<'d> + Send + Sync,
) -> Result<(), lambda_http::Error> {
    let (frame, deps, step, first) = (&frame, &deps, &step, &AtomicBool::new(true));
    lambda_http::run(service_fn(move |request| async move {
        Ok::<_, Infallible>(frame.answer_counting(deps, step, request, begun(first)).await)
    }))
    .await
}

/// The tally that a run of this instance begins with.
fn begun(first: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    if first.swap(false, Ordering::Relaxed) {
        tally.add(Metric::ColdStarts);
    }
    tally
}

/// Counts the runs of a function that something else than a request starts.
#[derive(Debug)]
pub struct Runs {
    function: &'static str,
    metrics: Metrics,
    clock: Clock,
    first: AtomicBool,
}

impl Runs {
    /// In Lambda.
    #[must_use]
    pub fn of(function: &'static str) -> Self {
        Self { first: AtomicBool::new(true), ..Self::warm(function, Metrics::stdout(), Clock::system()) }
    }

    /// Of a function that starts with the local run.
    #[must_use]
    pub fn warm(function: &'static str, metrics: Metrics, clock: Clock) -> Self {
        Self { function, metrics, clock, first: AtomicBool::new(false) }
    }

    /// Counts what happens in `run`.
    pub async fn counting<F: Future>(&self, run: F) -> F::Output {
        let (output, tally) = begun(&self.first).around(Box::pin(run)).await;
        if !tally.is_empty() {
            self.metrics.write(&tally, self.function, None, self.clock.now());
        }
        output
    }
}

/// JSON lines on standard output, for CloudWatch Logs. `LOG_LEVEL` is one of tracing's levels.
pub fn init_logging(settings: &Settings) {
    let level =
        settings.optional("LOG_LEVEL").and_then(|level| level.parse().ok()).unwrap_or(tracing::Level::INFO);
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(level)
        .with_current_span(false)
        .init();
}

/// The part of a path that names no one: an identifier in it is an account's own.
fn logged(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some((parent, last)) if last.contains('_') => parent,
        _ => path,
    }
}

fn log_problem(problem: &Problem, request_id: &str, method: &str, path: &str) {
    let (status, code) = (problem.status().as_u16(), problem.code());
    match problem.cause() {
        Some(cause) => {
            error!(request_id, method, path, status, code, cause = chain(cause.as_ref()), "failed");
        }
        None if status == 403 || status == 429 => warn!(request_id, method, path, status, code, "refused"),
        None => info!(request_id, method, path, status, code, "refused"),
    }
}

/// The messages of an error and of what caused it.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
#[path = "serve_tests.rs"]
mod tests;
