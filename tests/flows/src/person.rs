use std::sync::atomic::{AtomicU64, Ordering};

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{Answer, App, Call, HandMade, Portal};

/// Someone with a browser: the API, and the cookie that the browser keeps.
#[derive(Debug, Clone)]
pub struct Person {
    pub portal: Portal,
    pub session: String,
    pub key: HandMade,
    pub username: String,
    pub email: String,
    /// Empty: none.
    pub password: String,
    /// The phone that was added last, in E.164; empty: none.
    pub number: String,
    pub app: Option<App>,
}

/// A password that is long enough, and nobody's name.
pub const PASSWORD: &str = "violet anchors, 3 harbours";

/// A number of a mobile, in E.164: another for each `nth`.
pub fn mobile(nth: usize) -> String {
    number(nth / 60, nth % 60)
}

/// A number of a landline: another for each `nth`.
pub fn landline(nth: usize) -> String {
    number(nth / 20, 60 + nth % 20)
}

/// `+1 NXX 555 01dd`, which the local run knows by its last two digits.
fn number(area: usize, last: usize) -> String {
    let areas = [212, 312, 415, 617, 713, 206, 303, 404, 503, 602];
    format!("+1{}55501{last:02}", areas[area])
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

    pub async fn put(&mut self, path: &str, body: &Value) -> Answer {
        self.send(self.portal.put(path, body)).await
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

    /// Sets or changes the password, and uses it from then on.
    pub async fn set_password(&mut self, password: &str) -> Answer {
        let mut body = json!({ "password": password });
        if !self.password.is_empty() {
            body["current"] = json!(self.password);
        }
        let answer = self.put("/v1/account/password", &body).await;
        if answer.status == 200 {
            password.clone_into(&mut self.password);
        }
        answer
    }

    /// Has a code sent to a number that is to be added.
    pub async fn begin_phone(&mut self, number: &str, channel: &str) -> Answer {
        self.post("/v1/account/phones", &json!({ "number": number, "channel": channel })).await
    }

    pub async fn confirm_phone(&mut self, id: &Value, code: &str) -> Answer {
        let path = format!("/v1/account/phones/{}/confirm", id.as_str().unwrap());
        self.post(&path, &json!({ "code": code })).await
    }

    /// Adds a phone by the code that it gets. Answers its id.
    pub async fn add_phone(&mut self, number: &str, channel: &str) -> String {
        let pending = self.begin_phone(number, channel).await.expect(202).json();
        let code = self.portal.code_to(number).await;
        self.confirm_phone(&pending["id"], &code).await.expect(200);
        number.clone_into(&mut self.number);
        pending["id"].as_str().unwrap().to_owned()
    }

    /// Has a secret drawn for an authenticator app.
    pub async fn begin_app(&mut self) -> Answer {
        self.post("/v1/account/authenticator", &json!({})).await
    }

    pub async fn confirm_app(&mut self, code: &str) -> Answer {
        self.post("/v1/account/authenticator/confirm", &json!({ "code": code })).await
    }

    /// Scans a new secret and confirms it, and uses it from then on. Answers the account.
    pub async fn add_app(&mut self) -> Value {
        let begun = self.begin_app().await.expect(201).json();
        let app = App::scan(begun["uri"].as_str().unwrap());
        let code = app.code_at(self.portal.now().await).await;
        self.app = Some(app);
        self.confirm_app(&code).await.expect(200).json()
    }

    /// Adds the phone that completes a set-up, and takes the recovery code. The phone is free for another code.
    async fn ready_by(&mut self, number: &str) {
        let channel = if is_landline(number) { "call" } else { "text" };
        self.add_phone(number, channel).await;
        self.take_code().await;
        self.portal.wait(30).await;
    }

    /// What their app shows now.
    pub async fn app_code(&self) -> String {
        self.app.as_ref().expect("an app").code_at(self.portal.now().await).await
    }

    /// A code of the right shape that the app shows neither now nor a step ago.
    pub async fn wrong_app_code(&self) -> String {
        let (app, now) = (self.app.as_ref().expect("an app"), self.portal.now().await);
        let taken = [app.code_at(now).await, app.code_at(now - SignedDuration::from_secs(30)).await];
        let guesses = ["000000", "000001", "000002"].map(str::to_owned);
        guesses.into_iter().find(|guess| !taken.contains(guess)).unwrap()
    }

    /// Begins a sign-in by a code of the app.
    pub async fn by_app(&mut self, code: &str) -> Answer {
        let body = json!({ "username": self.username, "code": code });
        self.post("/v1/sign-in/authenticator", &body).await
    }

    /// Goes on by a code of the app.
    pub async fn by_app_in(&mut self, sign_in: &Value, code: &str) -> Answer {
        self.post("/v1/sign-in/authenticator", &json!({ "sign_in": sign_in, "code": code })).await
    }

    /// Begins a sign-in by password.
    pub async fn by_password(&mut self) -> Answer {
        let body = json!({ "username": self.username, "password": self.password });
        self.post("/v1/sign-in/password", &body).await
    }

    /// Begins a sign-in by phone: has a code sent.
    pub async fn send_code(&mut self, channel: &str) -> Answer {
        let body = json!({ "username": self.username, "channel": channel });
        self.post("/v1/sign-in/phone/send", &body).await
    }

    /// Asks for a code in a sign-in under way.
    pub async fn send_code_in(&mut self, sign_in: &Value, channel: &str) -> Answer {
        self.post("/v1/sign-in/phone/send", &json!({ "sign_in": sign_in, "channel": channel })).await
    }

    pub async fn verify(&mut self, sign_in: &Value, code: &str) -> Answer {
        self.post("/v1/sign-in/phone/verify", &json!({ "sign_in": sign_in, "code": code })).await
    }

    /// Goes on by a code to their phone.
    pub async fn prove_phone(&mut self, sign_in: &Value, channel: &str) -> Answer {
        let sent = self.send_code_in(sign_in, channel).await.expect(202).json();
        let code = self.portal.code_to(&self.number).await;
        self.verify(&sent["sign_in"], &code).await
    }

    /// Signs in, or steps up, by password and then by text or call.
    pub async fn sign_in_by(&mut self, channel: &str) -> Answer {
        let next = self.by_password().await.expect(200).json();
        assert_eq!(next["status"], "next");
        self.prove_phone(&next["sign_in"], channel).await
    }

    /// The same person at a browser that knows nothing.
    pub fn signed_out(&self) -> Self {
        Self { session: String::new(), ..self.clone() }
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

/// A person without an account.
pub fn somebody(portal: &Portal) -> Person {
    let username = next_name();
    Person {
        portal: portal.clone(),
        session: String::new(),
        key: HandMade::new(&portal.origin),
        email: format!("{username}@clinic.example"),
        username,
        password: String::new(),
        number: String::new(),
        app: None,
    }
}

/// A person with an account that has nothing yet.
pub async fn registered(portal: &Portal) -> Person {
    let mut person = somebody(portal);
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

/// A person with a password, and nothing more.
pub async fn with_password(portal: &Portal) -> Person {
    let mut person = Person { password: PASSWORD.to_owned(), ..somebody(portal) };
    let body = json!({ "username": person.username, "email": person.email, "password": person.password });
    person.post("/v1/accounts", &body).await.expect(201);
    person
}

/// A person with a password and a phone, whose account is ready, signed in by registering. The phone is free for
/// another code.
pub async fn with_phone(portal: &Portal, number: &str) -> Person {
    let mut person = with_password(portal).await;
    person.ready_by(number).await;
    person
}

/// A person with an authenticator app and a phone, whose account is ready, signed in by registering. The phone is free for
/// another code, and the app shows one that was not used.
pub async fn with_app(portal: &Portal, number: &str) -> Person {
    let mut person = registered(portal).await;
    person.add_app().await;
    person.ready_by(number).await;
    person
}

fn is_landline(number: &str) -> bool {
    (60..80).contains(&number[number.len() - 2..].parse::<u8>().unwrap())
}
