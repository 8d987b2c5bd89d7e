//! What a right answer makes of a sign-in.

use jiff::Timestamp;
use postern_domain::account::Account;
use postern_domain::activity::What;
use postern_domain::admission::{Factor, Proof};
use postern_domain::policy::Policy;
use postern_domain::session::Standing;
use postern_domain::sign_in::{Outcome, outcome};
use postern_http::{Problem, Reply, Request, SessionToken};
use postern_keys::{Keyring, Random};
use postern_store::{Beginning, Proven, Races, Secret, Store, Then, happened};
use postern_tokens::AccessTokens;

use crate::SignIn;
use crate::reply;

/// What finishing a step of a sign-in takes.
#[derive(Debug, Clone)]
pub struct SignIns {
    pub store: Store,
    pub policy: Policy,
    pub tokens: AccessTokens,
    pub random: Random,
}

/// What became of an answer.
enum Tried {
    Answered(Reply),
    /// It is not the first one of its sign-in, as the state that was brought back says: this was proven before.
    ProvenBefore(Proof),
}

/// A right answer. `account` as the store knew it when the guess was counted.
pub struct Answered<'a> {
    pub sign_in: SignIn,
    pub account: Account,
    pub factor: Factor,
    pub secret: Secret<'a>,
}

impl SignIns {
    /// Makes `answered` count, and answers: another proof is wanted, or the sign-in ends in a session. One call; two more
    /// where the account has changed since it was known; one more where the client brought back the `sign_in` from before
    /// another proof.
    pub async fn prove(
        &self,
        request: &Request,
        keyring: &Keyring,
        answered: Answered<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let Answered { mut sign_in, mut account, factor, secret } = answered;
        // Of another account than the sign-in began with: none of what it proved is this one's.
        if !sign_in.proofs.is_empty() && sign_in.account != account.id {
            return Err(Problem::wrong_credentials());
        }
        sign_in.account = account.id.clone();
        sign_in.proofs.push(Proof::of(&account, factor, now).ok_or_else(Problem::wrong_credentials)?);
        let mut races = Races::default();
        loop {
            let tried = self.try_to_prove(request, keyring, &sign_in, &account, secret, now).await;
            if !races.lost_another(&tried) {
                match tried? {
                    Tried::Answered(reply) => return Ok(reply),
                    Tried::ProvenBefore(proof) => sign_in.proofs.insert(0, proof),
                }
                continue;
            }
            account = self.store.account(&account.id, now).await?.ok_or_else(Problem::wrong_credentials)?;
            // What answered was replaced meanwhile: it has proven nothing.
            if sign_in.proofs.last().is_none_or(|proof| !proof.stands(&account)) {
                return Err(Problem::wrong_credentials());
            }
        }
    }

    async fn try_to_prove(
        &self,
        request: &Request,
        keyring: &Keyring,
        sign_in: &SignIn,
        account: &Account,
        secret: Secret<'_>,
        now: Timestamp,
    ) -> Result<Tried, Problem> {
        let proof = |then| postern_store::Proof {
            account,
            secret,
            sign_in: &sign_in.id,
            expires_at: sign_in.expires_at,
            then,
        };
        if let Outcome::Next(ways) = outcome(&self.policy, account, &sign_in.proofs, now) {
            let keeps = match sign_in.proofs.as_slice() {
                [first] if !sign_in.is_new => Some(first),
                _ => None,
            };
            let proven = self.store.prove(proof(Then::GoesOn { keeps })).await?;
            return answered(proven, || {
                Ok(reply::next(sign_in, sign_in.seal(keyring, now)?, account, &ways))
            });
        }
        let token = SessionToken::from_bytes(self.random.fill());
        let proofs = sign_in.proofs.iter().filter(|proof| proof.stands(account)).cloned().collect();
        let session = reply::session_of(&token, account, proofs, request, now);
        let access_token = match session.standing(&self.policy, account, now) {
            Standing::Full(admission) => Some(self.tokens.issue(&session, &admission, now).await?),
            Standing::MayOnlyEnrol => None,
        };
        let event = happened(request, &self.random, &account.id, What::SignedIn, now);
        let begins = Beginning { session: &session, event: &event, replaced: request.session_id() };
        let proven = self.store.prove(proof(Then::Ends(begins))).await?;
        answered(proven, || Ok(reply::ended(&token, access_token, account, &self.policy, now)))
    }
}

fn answered(proven: Proven, reply: impl FnOnce() -> Result<Reply, Problem>) -> Result<Tried, Problem> {
    match proven {
        Proven::Done => reply().map(Tried::Answered),
        Proven::Before(proof) => Ok(Tried::ProvenBefore(proof)),
        Proven::SignInOver => Err(Problem::sign_in_expired()),
        Proven::SecretSpent => Err(Problem::wrong_credentials()),
    }
}
