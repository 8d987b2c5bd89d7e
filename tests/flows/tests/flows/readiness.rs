//! `postern readiness`: who would be held up on the day, over all accounts.

use std::path::Path;
use std::process::Output;

use flows::{Binary, Portal, mobile, registered, set_up, with_app, with_passkey, with_password, with_phone};
use tokio::process::Command;

use crate::binary::PROGRAM;

/// Who is there at the end, by measure.
const COUNTED: [(&str, u64); 13] = [
    ("accounts", 6),
    ("ready", 4),
    ("only_set_up_missing", 0),
    ("only_code_missing", 1),
    ("both_missing", 1),
    ("passkey", 3),
    ("authenticator_and_phone", 1),
    ("password_and_phone", 1),
    ("no_set_up", 1),
    ("phone_missing", 1),
    ("code_downloaded", 4),
    ("code_not_downloaded", 0),
    ("code_never_issued", 2),
];

/// A local run's folder with an account of every kind, and the run stopped.
async fn people(data: &Path) {
    let run = Binary::start(PROGRAM, 0, data, &["--unlimited"], "warn").await.unwrap();
    everybody(&run.portal).await;
    assert!(run.signal("INT").await.success);
}

async fn everybody(portal: &Portal) {
    registered(portal).await;
    with_passkey(portal).await;
    set_up(portal).await;
    set_up(portal).await;
    with_password(portal).await;
    with_phone(portal, &mobile(1)).await;
    with_app(portal, &mobile(2)).await;
}

async fn readiness(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.arg("readiness").args(arguments).env_clear().envs(environment.iter().copied());
    command.kill_on_drop(true).output().await.unwrap()
}

/// Measure and accounts of each line.
fn counts(csv: &str) -> Vec<(&str, u64)> {
    let mut lines = csv.split_terminator("\r\n");
    assert_eq!(lines.next(), Some("as_of,measure,accounts,share"));
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            let [as_of, measure, accounts, share] = fields[..] else { panic!("{line}") };
            as_of.parse::<jiff::Timestamp>().unwrap();
            assert!((0.0..=1.0).contains(&share.parse::<f64>().unwrap()), "{line}");
            (measure, accounts.parse().unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_account_is_counted_as_numbers_as_csv_and_on_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    people(&data).await;
    let (csv, page) = (folder.path().join("readiness.csv"), folder.path().join("readiness.html"));
    let [data, csv, page] = [&data, &csv, &page].map(|path| path.to_str().unwrap());

    let output = readiness(&["--data", data, "--csv", csv, "--page", page], &[]).await;
    let (text, complaints) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{complaints}");
    let csv = std::fs::read_to_string(csv).unwrap();
    assert_eq!(counts(&csv), COUNTED);
    assert!(text.starts_with("6 accounts, 4 of them ready, as of 20"), "{text}");
    assert!(text.contains("A set-up is required since 2025-03-07T06:00:00Z"), "{text}");
    assert!(text.contains("forgotten within a day: 1"), "{text}");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<h1>6 accounts, 4 of them ready"), "{page}");
    for place in ["{heading}", "{time_left}", "{parts}", "{unfinished}"] {
        assert!(!page.contains(place), "{place} was left: {page}");
    }
    assert_eq!(page.matches("<meter").count(), COUNTED.len() - 1, "{page}");

    // Nobody is named, and the day may lie ahead.
    let output = readiness(&["--data", data, "--set-up-required-from", "2099-01-01T00:00:00Z"], &[]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("A set-up is required from 2099-01-01T00:00:00Z: in "), "{text}");
    assert!(![&text, &csv, &page].iter().any(|report| report.contains('@') || report.contains("acc_")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployments_table_is_read_through_the_sdk() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    people(&data).await;
    let database = dynoxide::Database::new(data.join("tables.sqlite3").to_str().unwrap()).unwrap();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database, async {
        let _ = stopped.await;
    }));
    let environment = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL", &endpoint),
    ];

    let csv = folder.path().join("readiness.csv");
    let arguments = ["--table", "Accounts", "--csv", csv.to_str().unwrap()];
    let output = readiness(&arguments, &environment).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(counts(&std::fs::read_to_string(&csv).unwrap()), COUNTED);

    let output = readiness(&["--table", "Another"], &environment).await;
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && complaints.contains("ResourceNotFoundException"), "{complaints}");
    drop(stop);
    let _ = served.await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_or_written_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    let [nowhere, data] = [&empty, &folder.path().join("data")].map(|path| path.to_str().unwrap().to_owned());
    let unwritable = format!("{nowhere}/below/readiness.csv");
    let run = Binary::start(PROGRAM, 0, Path::new(&data), &[], "warn").await.unwrap();
    for (arguments, says) in [
        (&["--data", &nowhere][..], "no local run kept accounts there"),
        (&["--data", &data], "in use by another local run"),
        (&["--table", "Accounts"], "AWS_REGION"),
        (&["--table", "Accounts", "--data", &data], "cannot be used with"),
        (&["--items-per-second", "0"], "0 is not in 1..=100000"),
        (&["--set-up-required-from", "tomorrow"], "invalid value 'tomorrow'"),
    ] {
        let output = readiness(arguments, &[]).await;
        let complaints = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
        assert!(complaints.contains(says) && !complaints.contains("panicked"), "{arguments:?}: {complaints}");
    }
    assert!(!empty.exists(), "it made the folder that it was to read");

    assert!(run.signal("INT").await.success);
    let output = readiness(&["--data", &data, "--csv", &unwritable], &[]).await;
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && complaints.contains(&unwritable), "{complaints}");
}
