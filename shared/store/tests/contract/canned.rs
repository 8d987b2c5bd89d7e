//! An endpoint that answers what it is told to: what the engine never answers.

use std::sync::{Arc, Mutex};

use postern_store::{KeyRecords, RecoveryCodes, Store};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::tables::{ACCOUNTS, ATTEMPTS, RECOVERY_CODES, client};

pub struct Canned {
    pub store: Store,
    pub codes: RecoveryCodes,
    pub keys: KeyRecords,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// A request: AWS's name of the operation, and its body.
#[derive(Clone, Debug)]
pub struct Asked {
    pub operation: String,
    pub body: Value,
}

pub struct Answer {
    status: u16,
    body: Value,
}

impl Answer {
    pub fn right(body: Value) -> Self {
        Self { status: 200, body }
    }

    /// As DynamoDB refuses: by a name, and a text.
    pub fn refusal(name: &str, message: &str) -> Self {
        Self::refusal_with(name, json!({ "message": message }))
    }

    /// A cancelled transaction; each write's reason by its code.
    pub fn cancelled(codes: &[&str]) -> Self {
        let reasons: Vec<_> =
            codes.iter().map(|code| json!({ "Code": code, "Message": "a reason" })).collect();
        let message = "Transaction cancelled, please refer cancellation reasons for specific reasons";
        Self::refusal_with(
            "TransactionCanceledException",
            json!({ "Message": message, "CancellationReasons": reasons }),
        )
    }

    pub fn refusal_with(name: &str, mut body: Value) -> Self {
        body["__type"] = json!(format!("com.amazonaws.dynamodb.v20120810#{name}"));
        Self { status: 400, body }
    }
}

impl Canned {
    /// Answers in this order; the last one for ever.
    pub async fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client(&format!("http://{}", listener.local_addr().unwrap()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = if answers.len() > 1 { answers.pop() } else { None };
                let request = exchange(stream, answer.as_ref().unwrap_or_else(|| &answers[0])).await;
                log.lock().unwrap().push(request);
            }
        });
        let store = Store::new(client.clone(), ACCOUNTS, ATTEMPTS);
        let codes = RecoveryCodes::new(store.clone(), RECOVERY_CODES);
        Self { store, codes, keys: KeyRecords::new(client, ACCOUNTS), asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn exchange(mut stream: TcpStream, answer: &Answer) -> Asked {
    let mut received = Vec::new();
    let body_at = loop {
        stream.read_buf(&mut received).await.unwrap();
        if let Some(end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&received[..body_at]).into_owned();
    let header = |name: &str| {
        let line = head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}: ")));
        line.unwrap()[name.len() + 2..].trim().to_owned()
    };
    let length: usize = header("content-length").parse().unwrap();
    while received.len() < body_at + length {
        stream.read_buf(&mut received).await.unwrap();
    }
    let body = answer.body.to_string();
    let head = format!(
        "HTTP/1.1 {} Answer\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        answer.status,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let operation = header("x-amz-target").split('.').next_back().unwrap().to_owned();
    Asked { operation, body: serde_json::from_slice(&received[body_at..]).unwrap() }
}
