use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::{Answer, Call, HandMade, Portal};

/// Someone with a browser: the API, and the cookie that the browser keeps.
#[derive(Debug, Clone)]
pub struct Person {
    pub portal: Portal,
    pub session: String,
    pub key: HandMade,
    pub username: String,
    pub email: String,
}

impl Person {
    /// Sends the call with the session, and keeps the cookie that comes back.
    pub async fn send(&mut self, call: Call) -> Answer {
        let call = if self.session.is_empty() { call } else { call.session(&self.session) };
        let answer = call.send().await;
        if let Some(cookie) = answer.cookie() {
            self.session = cookie;
        }
        answer
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(self.portal.get(path)).await
    }

    pub async fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.send(self.portal.post(path, body)).await
    }

    pub async fn patch(&mut self, path: &str, body: &Value) -> Answer {
        self.send(self.portal.patch(path, body)).await
    }

    pub async fn delete(&mut self, path: &str) -> Answer {
        self.send(self.portal.delete(path)).await
    }

    pub async fn account(&mut self) -> Value {
        self.get("/v1/account").await.expect(200).json()
    }

    /// The body that finishes an enrolment of a new passkey, which is theirs once it is sent.
    pub async fn enrolment(&mut self, key: &mut HandMade) -> Value {
        let options = self.post("/v1/account/passkeys/options", &json!({})).await.expect(200).json();
        json!({ "enrolment": options["enrolment"], "credential": key.attestation(&options["publicKey"]).json() })
    }

    /// Enrols a passkey, and uses it from then on.
    pub async fn enrol(&mut self, mut key: HandMade) -> Value {
        let body = self.enrolment(&mut key).await;
        let passkey = self.post("/v1/account/passkeys", &body).await.expect(201).json();
        self.key = key;
        passkey
    }

    /// Issues a recovery code and looks at it, so that the account is ready.
    pub async fn take_code(&mut self) -> String {
        let issued = self.post("/v1/account/recovery-code", &json!({})).await.expect(201).json();
        let shown = self.get("/v1/account/recovery-code").await.expect(200).json();
        assert_eq!(issued, shown);
        shown["code"].as_str().unwrap().to_owned()
    }

    /// The body that finishes a sign-in with their passkey.
    pub async fn sign_in_body(&mut self) -> Value {
        let options =
            self.portal.post("/v1/sign-in/passkey/options", &json!({})).send().await.expect(200).json();
        json!({ "sign_in": options["sign_in"], "credential": self.key.assertion(&options["publicKey"]).json() })
    }

    /// Signs in, or steps up.
    pub async fn sign_in(&mut self) -> Answer {
        let body = self.sign_in_body().await;
        self.post("/v1/sign-in/passkey", &body).await
    }

    /// The same person at another browser, signed in there too.
    pub async fn elsewhere(&self) -> Self {
        let mut other = Self { session: String::new(), ..self.clone() };
        other.sign_in().await.expect(200);
        other
    }
}

/// A username that no other test uses.
fn next_name() -> String {
    static NAMED: AtomicU64 = AtomicU64::new(0);
    format!("person-{}", NAMED.fetch_add(1, Ordering::Relaxed))
}

/// A person with an account that has nothing yet.
pub async fn registered(portal: &Portal) -> Person {
    let username = next_name();
    let mut person = Person {
        portal: portal.clone(),
        session: String::new(),
        key: HandMade::new(&portal.origin),
        email: format!("{username}@clinic.example"),
        username,
    };
    let body = json!({ "username": person.username, "email": person.email });
    person.post("/v1/accounts", &body).await.expect(201);
    person
}

/// A person with a passkey, and no recovery code.
pub async fn with_passkey(portal: &Portal) -> Person {
    let mut person = registered(portal).await;
    person.enrol(HandMade::new(&portal.origin)).await;
    person
}

/// A person whose account is ready, signed in by enrolling.
pub async fn set_up(portal: &Portal) -> Person {
    let mut person = with_passkey(portal).await;
    person.take_code().await;
    person
}
