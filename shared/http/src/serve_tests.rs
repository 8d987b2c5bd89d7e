use http::StatusCode;
use lambda_http::Request as Event;

use super::*;

/// How long an answer takes, by a clock that goes on when everything waits, and its status.
async fn took(step: impl FnOnce() -> Result<Reply, Problem> + Send) -> (Duration, StatusCode) {
    let frame = Frame::uncounted([]);
    let begun = Instant::now();
    let answer = frame.answer(&(), |(), _| Box::pin(std::future::ready(step())), Event::default()).await;
    (begun.elapsed(), answer.status())
}

#[tokio::test(start_paused = true)]
async fn a_wrong_guess_is_answered_no_sooner_than_any_other() {
    let least = Duration::from_millis(40);
    let (fast, status) = took(|| Err(Problem::wrong_credentials())).await;
    assert_eq!((fast >= least, status), (true, StatusCode::UNAUTHORIZED));
    assert!(fast < least + Duration::from_millis(2), "{fast:?}");

    let frame = Frame::uncounted([]);
    let begun = Instant::now();
    let slow = |(): &(), _| -> BoxFuture<'_> {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(70)).await;
            Err(Problem::wrong_credentials())
        })
    };
    frame.answer(&(), slow, Event::default()).await;
    assert_eq!(begun.elapsed(), Duration::from_millis(70), "it waits from the request on, and not on top");
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_held_back_as_it_asks() {
    let least = Duration::from_millis(250);
    let (held, status) = took(|| Ok(Reply::no_content().no_sooner_than(least))).await;
    assert_eq!((held >= least, status), (true, StatusCode::NO_CONTENT));
}

#[tokio::test(start_paused = true)]
async fn nothing_else_waits() {
    assert_eq!(took(|| Ok(Reply::no_content())).await, (Duration::ZERO, StatusCode::NO_CONTENT));
    assert_eq!(took(|| Err(Problem::sign_in_expired())).await, (Duration::ZERO, StatusCode::UNAUTHORIZED));
    assert_eq!(
        took(|| Err(Problem::unavailable("x"))).await,
        (Duration::ZERO, StatusCode::SERVICE_UNAVAILABLE)
    );
}
