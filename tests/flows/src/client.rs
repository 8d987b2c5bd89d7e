use std::fmt;
use std::net::SocketAddr;

use http::{HeaderMap, Method};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use crate::{Person, documented};

/// Where the API is, and a client without a memory: each call says its cookie.
#[derive(Debug, Clone)]
pub struct Portal {
    pub address: String,
    /// What a browser would call the pages' origin.
    pub origin: String,
    http: reqwest::Client,
}

/// A request under construction.
#[must_use]
pub struct Call {
    request: reqwest::RequestBuilder,
    method: Method,
    path: String,
}

/// An answer, read whole.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Method and path, for a failing test's message.
    what: String,
}

impl Portal {
    pub fn at(port: u16) -> Self {
        Self {
            address: format!("http://127.0.0.1:{port}"),
            origin: format!("http://localhost:{port}"),
            http: client().build().unwrap(),
        }
    }

    /// Of pages at `origin`, at an address that `gateway` knows by its name, and no name server does.
    pub fn behind(gateway: SocketAddr, address: &str, origin: &str) -> Self {
        let name = Url::parse(address).unwrap().host_str().unwrap().to_owned();
        Self {
            address: address.to_owned(),
            origin: origin.to_owned(),
            http: client().resolve(&name, gateway).build().unwrap(),
        }
    }

    pub fn call(&self, method: &Method, path: &str) -> Call {
        let request = self.http.request(method.clone(), format!("{}{path}", self.address));
        Call { request, method: method.clone(), path: path.to_owned() }
    }

    pub fn get(&self, path: &str) -> Call {
        self.call(&Method::GET, path)
    }

    pub fn post(&self, path: &str, body: &Value) -> Call {
        self.call(&Method::POST, path).json(body)
    }

    pub fn put(&self, path: &str, body: &Value) -> Call {
        self.call(&Method::PUT, path).json(body)
    }

    pub fn patch(&self, path: &str, body: &Value) -> Call {
        self.call(&Method::PATCH, path).json(body)
    }

    pub fn delete(&self, path: &str) -> Call {
        self.call(&Method::DELETE, path)
    }

    /// Sends a request line as it stands, and whatever comes back until the connection ends.
    pub async fn raw(&self, line: &str) -> String {
        let address = self.address.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{line}\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // An answer to nonsense may be the end of the connection.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// `POST /dev/clock`.
    pub async fn clock(&self, change: &Value) {
        self.post("/dev/clock", change).send().await.expect(200);
    }

    /// Holds the clock at an instant.
    pub async fn hold(&self, at: jiff::Timestamp) {
        self.clock(&serde_json::json!({ "set": at, "frozen": true })).await;
    }

    /// Moves the clock on, and holds it there.
    pub async fn wait(&self, seconds: u64) {
        self.clock(&serde_json::json!({ "advance_seconds": seconds, "frozen": true })).await;
    }

    /// What every function sees as the present.
    pub async fn now(&self) -> jiff::Timestamp {
        let shown = self.get("/dev/clock").send().await.expect(200).json();
        shown["now"].as_str().unwrap().parse().unwrap()
    }

    /// `POST /dev/faults`; an empty list heals.
    pub async fn faults(&self, faults: &Value) {
        self.post("/dev/faults", faults).send().await.expect(200);
    }

    /// `GET /dev/messages`, the newest first.
    pub async fn messages(&self) -> Vec<Value> {
        let shown = self.get("/dev/messages").send().await.expect(200).json();
        shown.as_array().unwrap().clone()
    }

    /// What went to a number or an address, the newest first; of the texts, those with a code.
    pub async fn messages_to(&self, to: &str) -> Vec<Value> {
        let messages = self.messages().await.into_iter().filter(|message| message["to"] == to);
        messages.filter(|message| !is_notice_by_text(message)).collect()
    }

    /// The notices by text that went to a number, the newest first.
    pub async fn notices_to(&self, number: &str) -> Vec<String> {
        let messages = self.messages().await.into_iter();
        let notices = messages.filter(|message| message["to"] == number && is_notice_by_text(message));
        notices.map(|message| message["body"].as_str().unwrap().to_owned()).collect()
    }

    /// The code that went to a number last: the first six digits of a text, or of what a call says.
    pub async fn code_to(&self, number: &str) -> String {
        let messages = self.messages_to(number).await;
        let body = messages.first().expect("a message went there")["body"].as_str().unwrap().to_owned();
        body.chars().filter(char::is_ascii_digit).take(6).collect()
    }

    /// The code that went to an address last, among the notices that did.
    pub async fn code_by_email(&self, email: &str) -> String {
        let letters = self.messages_to(email).await;
        let mut bodies = letters.iter().filter_map(|letter| letter["body"].as_str());
        let body = bodies.find_map(|body| body.split_once(" is your code")).expect("a code went there").0;
        body.chars().rev().take(6).collect::<Vec<_>>().into_iter().rev().collect()
    }

    /// Has a code sent to `number` for a sign-in that `person` begins, and brings what the step said and the code.
    pub async fn texted(&self, person: &mut Person, number: &str) -> (Value, String) {
        let sent = person.send_code("text").await.expect(202).json();
        (sent, self.code_to(number).await)
    }

    /// What the `SecurityEvents` topic got, the newest first.
    pub async fn events(&self) -> Vec<Value> {
        let shown = self.get("/dev/events").send().await.expect(200).json();
        shown.as_array().unwrap().clone()
    }
}

impl Call {
    pub fn json(self, body: &Value) -> Self {
        self.bytes("application/json", body.to_string().into_bytes())
    }

    pub fn bytes(self, content_type: &str, body: Vec<u8>) -> Self {
        self.header("content-type", content_type).body(body)
    }

    pub fn body(self, body: Vec<u8>) -> Self {
        Self { request: self.request.body(body), ..self }
    }

    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        Self { request: self.request.header(name, value.as_ref()), ..self }
    }

    /// With the session cookie of that value.
    pub fn session(self, value: &str) -> Self {
        self.header("cookie", format!("__Host-session={value}"))
    }

    pub async fn send(self) -> Answer {
        self.try_send().await.unwrap()
    }

    /// The error: no answer arrived.
    pub async fn try_send(self) -> Result<Answer, reqwest::Error> {
        let response = self.request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        // As it went out: a client tidies a path that says `..`.
        let path = response.url().path().to_owned();
        let body = response.bytes().await?.to_vec();
        let answer = Answer { status, headers, body, what: format!("{} {}", self.method, self.path) };
        documented::check(&self.method, &path, &answer);
        Ok(answer)
    }
}

impl Answer {
    /// Itself, if the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// One value of a header, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The `code` of a problem; empty for what is none.
    pub fn code(&self) -> String {
        serde_json::from_slice::<Value>(&self.body)
            .ok()
            .and_then(|body| body.get("code")?.as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    /// Itself, if it is this problem, whole in its form (RFC 9457).
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let body = self.json();
        assert_eq!(body["status"], status, "{self:?}");
        for member in ["type", "title", "detail"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {self:?}");
        }
        self
    }

    /// The value of the session cookie that it sets: empty where it takes it away.
    pub fn cookie(&self) -> Option<String> {
        cookie_of(&self.headers)
    }

    /// The session's new value.
    #[track_caller]
    pub fn new_session(&self) -> String {
        let cookie = self.cookie().unwrap_or_default();
        assert!(!cookie.is_empty(), "no session was begun: {self:?}");
        cookie
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}\n{:?}\n{}", self.what, self.status, self.headers, self.text())
    }
}

/// No digit stands in one: a code is told from it.
fn is_notice_by_text(message: &Value) -> bool {
    let body = message["body"].as_str().unwrap_or_default();
    message["kind"] == "text" && !body.contains(|c: char| c.is_ascii_digit())
}

fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none())
}

/// The one `__Host-session` that is set.
pub fn cookie_of(headers: &HeaderMap) -> Option<String> {
    let mut set = headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    let cookie = set.next()?;
    assert!(set.next().is_none(), "two cookies are set: {headers:?}");
    let (pair, _) = cookie.split_once(';')?;
    pair.strip_prefix("__Host-session=").map(str::to_owned)
}
