//! Sessions, by the SHA-256 of their cookie's value.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValue;
use jiff::{SignedDuration, Timestamp};
use postern_domain::account::Account;
use postern_domain::activity::Event;
use postern_domain::id::{AccountId, SessionId};
use postern_domain::session::Session;
use postern_http::Problem;

use crate::Store;
use crate::error::StoreError;
use crate::record::{self, string};
use crate::schema::SESSIONS_BY_ACCOUNT;
use crate::transaction::{Expression, Transaction};

/// A session is seen again, in its record, when this long has passed: a use within it does not prolong the
/// session, so that it ends up to this much early and never late.
const SEEN_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// Who is signed in: a living session and its account.
#[derive(Debug)]
pub struct Caller {
    pub session: Session,
    pub account: Account,
}

impl Store {
    /// Whose session `id` is, if it lives: 401 otherwise, and without one. Two calls, and a third once a
    /// minute to say that the session is used.
    pub async fn caller(&self, id: Option<SessionId>, now: Timestamp) -> Result<Caller, Problem> {
        let id = id.ok_or_else(Problem::not_signed_in)?;
        let session = self.session(id).await?.filter(|session| session.is_current(now));
        let mut session = session.ok_or_else(Problem::not_signed_in)?;
        let account = self.account(&session.account, now).await?.ok_or_else(Problem::not_signed_in)?;
        if !session.lives(&account, now) {
            // The session itself may have changed the account between the two reads: then it says so by now.
            session = self.session(session.id).await?.ok_or_else(Problem::not_signed_in)?;
            if !session.lives(&account, now) {
                return Err(Problem::not_signed_in());
            }
        }
        if now.duration_since(session.last_seen_at) >= SEEN_EVERY && !self.see(&session.id, now).await? {
            return Err(Problem::not_signed_in());
        }
        Ok(Caller { session, account })
    }

    /// Opens the connection ahead of the first request: the first TLS handshake costs far more than a step.
    /// A failure here is the first request's to meet.
    pub async fn warm(&self) {
        let _ = self.session(SessionId::from_bytes([0; 32])).await;
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.attempts)
            .set_key(Some(record::session_key(&id)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::unavailable("GetItem", &error))?;
        found.item.map(|item| record::session(id, item)).transpose()
    }

    /// `false`: the session was ended meanwhile.
    async fn see(&self, id: &SessionId, now: Timestamp) -> Result<bool, StoreError> {
        let seen = self
            .client
            .update_item()
            .table_name(&self.attempts)
            .set_key(Some(record::session_key(id)))
            .update_expression("SET last_seen_at = :now")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", string(now.to_string()))
            .send()
            .await;
        match seen {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(StoreError::unavailable("UpdateItem", &error)),
        }
    }

    /// Begins a session without more: a registration that is answered once again. `replaced`, the session that came with
    /// the request, ends. One call.
    pub async fn begin_session(
        &self,
        session: &Session,
        replaced: Option<SessionId>,
    ) -> Result<(), StoreError> {
        let mut writes = Transaction::<()>::new();
        writes.put(&self.attempts, record::session_item(session)?)?;
        if let Some(replaced) = replaced.filter(|replaced| *replaced != session.id) {
            writes.delete(&self.attempts, record::session_key(&replaced))?;
        }
        writes.commit(&self.client).await.map(|_| ())
    }

    /// Ends a session by its own cookie. `false`: it had ended before. One call.
    pub async fn sign_out(&self, id: &SessionId, now: Timestamp) -> Result<bool, StoreError> {
        let deleted = self
            .client
            .delete_item()
            .table_name(&self.attempts)
            .set_key(Some(record::session_key(id)))
            .return_values(ReturnValue::AllOld)
            .send()
            .await
            .map_err(|error| StoreError::unavailable("DeleteItem", &error))?;
        let session = deleted.attributes.map(|item| record::session(id.clone(), item)).transpose()?;
        Ok(session.is_some_and(|session| session.is_current(now)))
    }

    /// Ends one of the account's sessions. `false`: the account has no such session. One call.
    pub async fn end_session(&self, id: &SessionId, event: &Event) -> Result<bool, StoreError> {
        #[derive(Clone, Copy)]
        struct Own;
        let mut writes = Transaction::new();
        let own =
            Expression::new("session_account = :account", [(":account", string(event.account.as_str()))]);
        writes.delete_if(Own, &self.attempts, record::session_key(id), own)?;
        writes.put(&self.accounts, record::activity_item(event)?)?;
        Ok(writes.commit(&self.client).await?.is_empty())
    }

    /// The account's sessions, the newest first, whether they still live or not: that is for
    /// [`Session::lives`] to say. From the index, so a session of this very second may be missing.
    pub async fn sessions(&self, account: &AccountId) -> Result<Vec<Session>, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.attempts)
            .index_name(SESSIONS_BY_ACCOUNT)
            .key_condition_expression("session_account = :account")
            .expression_attribute_values(":account", string(account.as_str()))
            .scan_index_forward(false)
            .into_paginator()
            .items()
            .send();
        let mut sessions = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| StoreError::unavailable("Query", &error))?;
            let pk = item.get("pk").and_then(|pk| pk.as_s().ok()).and_then(|pk| pk.strip_prefix("SESSION#"));
            let id = pk.and_then(|pk| pk.parse().ok()).ok_or(StoreError::Corrupt("SESSION"))?;
            sessions.push(record::session(id, item)?);
        }
        Ok(sessions)
    }
}
