use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::{Algorithm, Argon2, Block, Version};
use jiff::Timestamp;
use postern_domain::id::AccountId;
use postern_keys::{Keyring, Purpose, Random};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::hash::{SALT_LEN, TAG_LEN};
use crate::{Cost, PasswordHash, TypedPassword};

/// RFC 9106's primary variant (§1): half against side channels, half against trade-offs of time and memory.
pub(crate) const ALGORITHM: Algorithm = Algorithm::Argon2id;
/// RFC 9106's: 1.3.
pub(crate) const VERSION: Version = Version::V0x13;

/// How many hashes are made at the same time, unless said otherwise. A function of 512 MB has a third of a processor.
pub const AT_ONCE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

/// Salts the one hash that stands for a password which is not there.
const NOBODYS_SALT: [u8; SALT_LEN] = [0; SALT_LEN];

/// Hashes passwords and checks them, a few at the same time. Its clones share the memory.
///
/// Over `HMAC(pepper, [account, password])`: whoever reads the table alone cannot begin to guess, and a hash moved to
/// another account fits nothing.
#[derive(Clone)]
pub struct Hasher {
    cost: Cost,
    pool: Arc<Pool>,
}

/// What checking a password found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Not the password; or there is none.
    Wrong,
    /// The password.
    Right,
    /// The password, but hashed for less than today's cost or under a pepper that is not the active one: hash it anew.
    RightButOutdated,
}

/// Nothing was decided: 503.
#[derive(thiserror::Error, Debug)]
pub enum HashingFailed {
    /// The hash's pepper was not there when the keyring was opened. Stored hashes are ours: the keyring is incomplete.
    #[error("version {0} of the keyring, which a password was hashed under, is not known here")]
    UnknownPepper(u32),
    /// The parameters do not go together.
    #[error("Argon2 refused its parameters")]
    Refused(#[source] argon2::Error),
    /// The runtime is ending, or the task panicked.
    #[error("the hash was not finished")]
    Unfinished(#[source] Box<dyn Error + Send + Sync>),
}

impl Hasher {
    /// At most `at_once` hashes are made at the same time, in as many buffers of the cost's memory. The others wait, in
    /// the order in which they came.
    #[must_use]
    pub fn new(cost: Cost, at_once: NonZeroUsize) -> Self {
        Self { cost, pool: Arc::new(Pool::new(at_once)) }
    }

    /// A new hash of `account`'s `password`: at today's cost, under the pepper that is active at `now`, with a salt of its
    /// own.
    pub async fn hash(
        &self,
        keyring: &Keyring,
        account: &AccountId,
        password: &TypedPassword,
        random: &Random,
        now: Timestamp,
    ) -> Result<PasswordHash, HashingFailed> {
        let peppered = keyring.mac(Purpose::PasswordPepper, &message(account, password), now);
        let (cost, salt) = (self.cost, random.fill());
        let tag = self.pool.argon2id(cost, salt, Zeroizing::new(peppered.tag)).await?;
        Ok(PasswordHash { pepper: peppered.version, cost, salt, tag })
    }

    /// Whether `password` is the one that `stored` is the hash of, for this account.
    ///
    /// Every check is one hash. Without `stored` (an unknown name, an account without a password) it is one at today's cost
    /// against a dummy, whatever `account` is, and [`Checked::Wrong`] whatever comes: it takes as long as any whose hash is
    /// up to date. An older one takes as long as it took then, until its owner signs in.
    pub async fn check(
        &self,
        keyring: &Keyring,
        account: &AccountId,
        password: &TypedPassword,
        stored: Option<&PasswordHash>,
        now: Timestamp,
    ) -> Result<Checked, HashingFailed> {
        let message = message(account, password);
        let active = keyring.mac(Purpose::PasswordPepper, &message, now);
        let (peppered, cost, salt, expected) = match stored {
            Some(stored) => {
                let peppered = keyring
                    .mac_under(stored.pepper, Purpose::PasswordPepper, &message)
                    .ok_or(HashingFailed::UnknownPepper(stored.pepper))?;
                (peppered, stored.cost, stored.salt, stored.tag)
            }
            None => (active, self.cost, NOBODYS_SALT, [0; TAG_LEN]),
        };
        let tag = self.pool.argon2id(cost, salt, Zeroizing::new(peppered.tag)).await?;
        let same = bool::from(tag.ct_eq(&expected));
        Ok(if !same || stored.is_none() {
            Checked::Wrong
        } else if peppered.version == active.version && cost.covers(self.cost) {
            Checked::Right
        } else {
            Checked::RightButOutdated
        })
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("cost", &self.cost).finish_non_exhaustive()
    }
}

fn message<'a>(account: &'a AccountId, password: &'a TypedPassword) -> [&'a [u8]; 2] {
    [account.as_str().as_bytes(), password.expose().as_bytes()]
}

/// As many buffers as hashes may be made at the same time.
struct Pool {
    permits: Arc<Semaphore>,
    /// Those that no hash is using. Each grows to what is asked of it and stays: fresh memory costs a page fault per 4 KiB.
    idle: Mutex<Vec<Vec<Block>>>,
    /// What every hash cost.
    #[cfg(test)]
    made: Mutex<Vec<Cost>>,
}

impl Pool {
    fn new(at_once: NonZeroUsize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(at_once.get().min(Semaphore::MAX_PERMITS))),
            idle: Mutex::default(),
            #[cfg(test)]
            made: Mutex::default(),
        }
    }

    /// Argon2id over `input`, on a thread that may block.
    async fn argon2id(
        self: &Arc<Self>,
        cost: Cost,
        salt: [u8; SALT_LEN],
        input: Zeroizing<[u8; 32]>,
    ) -> Result<[u8; TAG_LEN], HashingFailed> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(unfinished)?;
        let pool = Arc::clone(self);
        let made = tokio::task::spawn_blocking(move || {
            let mut memory = pool.taken();
            let tag = argon2id(cost, &salt, &*input, &mut memory);
            pool.put_back(memory);
            #[cfg(test)]
            pool.made.lock().unwrap().push(cost);
            // Held until here, also when nobody waits for the tag any more.
            drop(permit);
            tag
        });
        made.await.map_err(unfinished)?.map_err(HashingFailed::Refused)
    }

    fn taken(&self) -> Vec<Block> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Not wiped: what is in it derives from a tag under the pepper, and whoever can read it can read the pepper.
    fn put_back(&self, memory: Vec<Block>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }
}

fn unfinished(cause: impl Error + Send + Sync + 'static) -> HashingFailed {
    HashingFailed::Unfinished(Box::new(cause))
}

fn argon2id(
    cost: Cost,
    salt: &[u8; SALT_LEN],
    input: &[u8],
    memory: &mut Vec<Block>,
) -> Result<[u8; TAG_LEN], argon2::Error> {
    let argon2 = Argon2::new(ALGORITHM, VERSION, cost.params()?);
    let blocks = argon2.params().block_count();
    if memory.len() < blocks {
        memory.resize(blocks, Block::new());
    }
    let mut tag = [0; TAG_LEN];
    // It takes the first `blocks`, and writes each before it reads it.
    argon2.hash_password_into_with_memory(input, salt, &mut tag, memory.as_mut_slice())?;
    Ok(tag)
}

#[cfg(test)]
#[path = "hasher_tests.rs"]
mod tests;
