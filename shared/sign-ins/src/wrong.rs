//! What a wrong guess leaves behind.

use jiff::Timestamp;
use postern_domain::account::Account;
use postern_domain::activity::What;
use postern_domain::guess::Guesses;
use postern_domain::name::Username;
use postern_http::{Problem, Request};
use postern_keys::Random;
use postern_metrics::{Method, count_wrong};
use postern_store::{Store, happened};

/// A wrong guess that was counted.
pub struct WrongGuess<'a> {
    pub method: Method,
    /// With this one.
    pub guesses: Guesses,
    pub username: &'a Username,
    /// None: nobody has that name.
    pub account: Option<&'a Account>,
    /// What the owner is told of: that it locked, and that it disabled.
    pub told: [What; 2],
}

impl WrongGuess<'_> {
    /// Tells the owner of one that locked, or disabled; writes as much where there is no owner.
    pub async fn note(
        self,
        store: &Store,
        random: &Random,
        request: &Request,
        now: Timestamp,
    ) -> Result<(), Problem> {
        count_wrong(self.method, self.guesses);
        let Some(what) = self.guesses.told(self.told) else { return Ok(()) };
        match self.account {
            Some(account) => store.note(&happened(request, random, &account.id, what, now)).await?,
            None => store.note_nobody(self.username, now).await?,
        }
        Ok(())
    }
}
