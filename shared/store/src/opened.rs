//! Keys, opened once per cold start and kept in the process.

use std::sync::Arc;

use jiff::Timestamp;
use postern_http::Problem;
use postern_keys::{KeyService, Keyring, TokenSigner};
use tokio::sync::RwLock;

use crate::key_records::KeyRecords;

/// The keyring as a function holds it: opened in the init phase, and anew only when none of its keys is
/// active any more, which a running function hardly lives to see.
#[derive(Debug, Clone)]
pub struct OpenedKeyring {
    source: Source,
    opened: Arc<RwLock<Option<Arc<Keyring>>>>,
}

/// The token signer, likewise.
#[derive(Debug, Clone)]
pub struct OpenedTokenSigner {
    source: Source,
    opened: Arc<RwLock<Option<Arc<TokenSigner>>>>,
}

#[derive(Debug, Clone)]
struct Source {
    service: Arc<dyn KeyService>,
    records: KeyRecords,
}

impl OpenedKeyring {
    #[must_use]
    pub fn new(service: Arc<dyn KeyService>, records: KeyRecords) -> Self {
        Self { source: Source { service, records }, opened: Arc::default() }
    }

    /// Opens the keyring ahead of the first request. A failure here is the first request's to meet.
    pub async fn warm(&self, now: Timestamp) {
        let _ = self.at(now).await;
    }

    /// The keyring, with a key that seals at `now`. No call, once it is open.
    pub async fn at(&self, now: Timestamp) -> Result<Arc<Keyring>, Problem> {
        if let Some(keyring) = self.opened.read().await.as_ref().filter(|keyring| keyring.can_seal_at(now)) {
            return Ok(Arc::clone(keyring));
        }
        let mut opened = self.opened.write().await;
        if let Some(keyring) = opened.as_ref().filter(|keyring| keyring.can_seal_at(now)) {
            return Ok(Arc::clone(keyring));
        }
        let records = self.source.records.sealing().await?;
        let keyring = Keyring::open(&*self.source.service, &records).await.map_err(Problem::unavailable)?;
        let keyring = Arc::new(keyring);
        *opened = Some(Arc::clone(&keyring));
        Ok(keyring)
    }
}

impl OpenedTokenSigner {
    #[must_use]
    pub fn new(service: Arc<dyn KeyService>, records: KeyRecords) -> Self {
        Self { source: Source { service, records }, opened: Arc::default() }
    }

    /// Opens the signer ahead of the first request. A failure here is the first request's to meet.
    pub async fn warm(&self, now: Timestamp) {
        let _ = self.at(now).await;
    }

    /// The signer, with a key that signs at `now`. No call, once it is open.
    pub async fn at(&self, now: Timestamp) -> Result<Arc<TokenSigner>, Problem> {
        if let Some(signer) = self.opened.read().await.as_ref().filter(|signer| signer.can_sign_at(now)) {
            return Ok(Arc::clone(signer));
        }
        let mut opened = self.opened.write().await;
        if let Some(signer) = opened.as_ref().filter(|signer| signer.can_sign_at(now)) {
            return Ok(Arc::clone(signer));
        }
        let records = self.source.records.tokens().await?;
        let signer =
            TokenSigner::open(&*self.source.service, &records, now).await.map_err(Problem::unavailable)?;
        let signer = Arc::new(signer);
        *opened = Some(Arc::clone(&signer));
        Ok(signer)
    }
}
