//! The program as a person starts it: what it says, what it keeps, and how it ends.

use std::net::TcpListener;
use std::path::Path;

use flows::{Binary, Exit, HandMade, Person, set_up};
use serde_json::json;

/// The local run's own `main`.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_postern-under-test");

async fn start(port: u16, data: &Path, arguments: &[&str]) -> Result<Binary, Exit> {
    Binary::start(PROGRAM, port, data, arguments, "warn").await
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_where_to_click_and_ends_at_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    for signal in ["INT", "TERM"] {
        let run = start(0, folder.path(), &[]).await.unwrap();
        let output = run.output();
        assert!(output.contains(&run.portal.origin), "{output}");
        assert!(output.contains("/dev/messages.html"), "{output}");
        run.portal.get("/").send().await.expect(200);
        run.portal.get("/dev/messages.html").send().await.expect(200);
        run.portal.get("/v1/policy").send().await.expect(200);
        let portal = run.portal.clone();
        let exit = run.signal(signal).await;
        assert!(exit.success, "{exit:?}");
        assert!(portal.get("/").try_send().await.is_err(), "it still answers");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_that_the_port_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let exit = start(port, folder.path(), &[]).await.err().expect("it does not start");
    assert!(!exit.success);
    let output = exit.output.to_lowercase();
    assert!(output.contains(&port.to_string()) && output.contains("taken"), "{output}");
    assert!(output.contains("--port"), "it does not say what to do: {output}");
    assert!(!output.contains("panicked"), "{output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_that_the_folder_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    std::fs::write(&file, "not a folder").unwrap();
    let kept = folder.path().join("kept");
    std::fs::create_dir(&kept).unwrap();
    // A folder where the keys would be, and keys that are none.
    std::fs::create_dir(kept.join("keys")).unwrap();
    let garbled = folder.path().join("garbled");
    std::fs::create_dir(&garbled).unwrap();
    std::fs::write(garbled.join("keys"), "these are no keys").unwrap();
    for data in [file.clone(), file.join("below"), kept, garbled] {
        let exit = start(0, &data, &[]).await.err().expect("it does not start");
        assert!(!exit.success);
        assert!(exit.output.contains("--data"), "it does not say what to do: {}", exit.output);
        assert!(exit.output.contains(data.to_str().unwrap()), "{}", exit.output);
        assert!(!exit.output.contains("panicked"), "{}", exit.output);
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "not a folder");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_that_the_folder_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let first = start(0, folder.path(), &[]).await.unwrap();
    let mut person = set_up(&first.portal).await;
    for arguments in [&[][..], &["--fresh"]] {
        let exit = start(0, folder.path(), arguments).await.err().expect("it does not start");
        assert!(!exit.success && exit.output.contains("in use"), "{exit:?}");
    }
    // The first lost nothing by it.
    person.sign_in().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_survive_a_restart_and_fresh_forgets_them() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let run = start(port, folder.path(), &[]).await.unwrap();
    let mut person = set_up(&run.portal).await;
    let code = person.get("/v1/account/recovery-code").await.expect(200).json();
    let account = person.account().await;
    assert!(run.signal("INT").await.success);

    let run = start(port, folder.path(), &[]).await.unwrap();
    assert_eq!(person.account().await, account);
    assert_eq!(person.get("/v1/account/recovery-code").await.expect(200).json(), code);
    person.sign_in().await.expect(200);
    assert!(run.signal("INT").await.success);

    let other = folder.path().join("a-file-of-somebody-else");
    std::fs::write(&other, "kept").unwrap();
    let run = start(port, folder.path(), &["--fresh"]).await.unwrap();
    person.get("/v1/account").await.problem(401, "not_signed_in");
    person.sign_in().await.problem(401, "wrong_credentials");
    let body = json!({ "username": person.username, "email": person.email });
    run.portal.post("/v1/accounts", &body).send().await.expect(201);
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "kept");
    drop(run);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_loses_nothing_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut people: Vec<Person> = Vec::new();
    for round in 0..4_usize {
        let run = start(port, folder.path(), &[]).await.unwrap();
        for person in &mut people {
            assert_eq!(person.account().await["ready"], true);
            person.sign_in().await.expect(200);
        }
        let mut person = set_up(&run.portal).await;
        // Killed right after one or another answer.
        match round {
            0 => {}
            1 => {
                person.enrol(HandMade::new(&run.portal.origin)).await;
            }
            2 => {
                person.sign_in().await.expect(200);
            }
            _ => {
                person.take_code().await;
            }
        }
        run.kill().await;
        people.push(person);
    }
    let run = start(port, folder.path(), &[]).await.unwrap();
    for (round, person) in people.iter_mut().enumerate() {
        let account = person.account().await;
        assert_eq!(account["ready"], true, "{round}");
        assert_eq!(account["methods"]["passkeys"].as_array().unwrap().len(), if round == 1 { 2 } else { 1 });
        person.sign_in().await.expect(200);
        let activity = person.get("/v1/account/activity").await.expect(200).json();
        assert!(activity["events"].as_array().unwrap().len() >= 5, "{activity}");
    }
    drop(run);
}

/// A port that is not the default's: 0 takes a free one, and two runs stand side by side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_run_side_by_side() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one = start(0, one.path(), &["--unlimited"]).await.unwrap();
    let other = start(0, other.path(), &[]).await.unwrap();
    let mut person = set_up(&one.portal).await;
    other.portal.get("/v1/account").session(&person.session).send().await.problem(401, "not_signed_in");
    person.sign_in().await.expect(200);
}
