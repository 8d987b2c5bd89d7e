//! Amazon SES, which sends email.

use async_trait::async_trait;
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::config::Builder;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use postern_domain::name::Email;

use crate::{Letter, Mail, NotSent, two_tries};

const SEND: &str = "ses:SendEmail";

/// Takes every letter and gives it to nobody (SES Developer Guide, "Using the mailbox simulator"): what goes to an account
/// that is not there costs the same call as what goes to one that is.
const NOBODY: &str = "success@simulator.amazonses.com";

const UTF_8: &str = "UTF-8";

/// Makes the client from `config`, which says region, credentials and endpoint.
///
/// A person waits for the answer: two tries, three seconds in all. A lost answer so costs at most one letter more, with the
/// same code.
#[must_use]
pub fn ses_client(config: Builder) -> Client {
    let (retries, timeouts) = two_tries();
    Client::from_conf(config.retry_config(retries).timeout_config(timeouts).build())
}

/// Email by SES.
#[derive(Debug, Clone)]
pub struct SesMail {
    client: Client,
    sender: String,
}

impl SesMail {
    /// `client`: from [`ses_client`]. `identity`: what SES has verified, an address, or a domain, which then writes as
    /// `no-reply`.
    #[must_use]
    pub fn new(client: Client, identity: &str) -> Self {
        let sender =
            if identity.contains('@') { identity.to_owned() } else { format!("no-reply@{identity}") };
        Self { client, sender }
    }

    async fn hand_over(&self, to: &str, letter: &Letter) -> Result<(), NotSent> {
        let content = |text: &str| {
            let content = Content::builder().data(text).charset(UTF_8).build();
            content.map_err(|_| NotSent { operation: SEND, reason: "the letter cannot be built".to_owned() })
        };
        let body = Body::builder().text(content(letter.expose_body())?).build();
        let message = Message::builder().subject(content(letter.subject())?).body(body).build();
        let sent = self
            .client
            .send_email()
            .from_email_address(&self.sender)
            .destination(Destination::builder().to_addresses(to).build())
            .content(EmailContent::builder().simple(message).build())
            .send()
            .await;
        sent.map(|_| ()).map_err(|error| NotSent::of(SEND, &error))
    }
}

#[async_trait]
impl Mail for SesMail {
    async fn send(&self, to: &Email, letter: &Letter) -> Result<(), NotSent> {
        self.hand_over(to.as_str(), letter).await
    }

    async fn send_to_nobody(&self, letter: &Letter) -> Result<(), NotSent> {
        self.hand_over(NOBODY, letter).await
    }
}

#[cfg(test)]
#[path = "ses_tests.rs"]
mod tests;
