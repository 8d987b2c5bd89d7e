use std::sync::Mutex;
use std::thread;

use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

async fn fingerprint(keys: &LocalKeys) -> [u8; 32] {
    keys.mac(KeyName::RecoveryCodeMac, b"which keys?").await.unwrap()
}

#[tokio::test]
async fn a_key_file_is_made_once_and_read_from_then_on() {
    let folder = folder();
    let path = folder.path().join("keys");
    let made = LocalKeys::open(&path).unwrap();
    let context = EncryptionContext::recovery_code("acc_1", "2025-01-02T03:04:05Z");
    let sealed = made.encrypt(KeyName::RecoveryCode, &context, b"1234567890123456").await.unwrap();

    let read = LocalKeys::open(&path).unwrap();
    let opened = read.decrypt(KeyName::RecoveryCode, &context, &sealed).await.unwrap();
    assert_eq!(opened.expose(), b"1234567890123456");
    assert_eq!(fingerprint(&made).await, fingerprint(&read).await);
    assert_eq!(names(folder.path()), ["keys"], "nothing but the key file is left");
}

#[cfg(unix)]
#[test]
fn the_key_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = folder();
    let path = folder.path().join("keys");
    LocalKeys::open(&path).unwrap();
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert_eq!(metadata.len(), u64::try_from(FILE_LEN).unwrap());
}

#[test]
fn all_who_make_it_at_once_get_the_same_keys() {
    let folder = folder();
    let path = folder.path().join("keys");
    let opened: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| LocalKeys::open(&path).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let roots: Vec<_> = opened.iter().map(|keys| keys.keyring.expose()).collect();
    assert!(roots.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(names(folder.path()), ["keys"]);
}

#[test]
fn a_file_that_is_something_else_or_damaged_is_refused_and_left_alone() {
    let folder = folder();
    let path = folder.path().join("keys");
    LocalKeys::open(&path).unwrap();
    let whole = fs::read(&path).unwrap();

    let mut damaged = vec![Vec::new(), whole[..FILE_LEN - 1].to_vec(), [&whole[..], b"x"].concat()];
    damaged.push(b"-----BEGIN PRIVATE KEY-----\n".repeat(20));
    for position in 0..FILE_LEN {
        let mut flipped = whole.clone();
        flipped[position] ^= 1;
        damaged.push(flipped);
    }
    for content in damaged {
        fs::write(&path, &content).unwrap();
        let error = LocalKeys::open(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let told = error.to_string();
        assert!(told.contains(path.to_str().unwrap()), "{told}");
        assert!(told.contains("not a key file of Postern, or is damaged"), "{told}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn a_folder_that_is_not_there_is_told_by_name() {
    let folder = folder();
    let path = folder.path().join("missing").join("keys");
    let error = LocalKeys::open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("missing/keys cannot be made"), "{error}");
}

#[tokio::test]
async fn ephemeral_keys_are_new_each_time_and_unseen() {
    let (one, other) = (LocalKeys::ephemeral(), LocalKeys::ephemeral());
    assert_ne!(fingerprint(&one).await, fingerprint(&other).await);
    assert_eq!(format!("{one:?}"), "LocalKeys { .. }");
}

/// AWS answers `InvalidKeyUsageException` and `ValidationException`; neither is a refusal of the blob.
#[tokio::test]
async fn it_is_no_laxer_than_kms() {
    let keys = LocalKeys::ephemeral();
    let context = EncryptionContext::keyring(1);
    let long = [0; 4_097];
    for failed in [
        keys.encrypt(KeyName::RecoveryCodeMac, &context, b"x").await.map(drop),
        keys.decrypt(KeyName::RecoveryCodeMac, &context, b"x").await.map(drop),
        keys.data_key(KeyName::RecoveryCodeMac, &context).await.map(drop),
        keys.token_key_pair(KeyName::RecoveryCodeMac, &context).await.map(drop),
        keys.mac(KeyName::Keyring, b"x").await.map(drop),
        keys.mac(KeyName::RecoveryCodeMac, b"").await.map(drop),
        keys.mac(KeyName::RecoveryCodeMac, &long).await.map(drop),
        keys.encrypt(KeyName::RecoveryCode, &context, b"").await.map(drop),
        keys.encrypt(KeyName::RecoveryCode, &context, &long).await.map(drop),
    ] {
        assert!(matches!(failed, Err(KeyError::Unavailable(_))), "{failed:?}");
    }
    assert!(keys.encrypt(KeyName::RecoveryCode, &context, &long[..4_096]).await.is_ok());
}

#[derive(Default)]
struct Recorder {
    seen: Mutex<Vec<String>>,
    fail: Option<&'static str>,
}

impl Recorder {
    fn note(&self, when: &str, operation: &str) -> Result<(), KeyError> {
        self.seen.lock().unwrap().push(format!("{when} {operation}"));
        if self.fail == Some(when) { Err(KeyError::unavailable("ThrottlingException")) } else { Ok(()) }
    }
}

impl Gate for Recorder {
    fn before(&self, operation: &'static str) -> Result<(), KeyError> {
        self.note("before", operation)
    }
    fn after(&self, operation: &'static str) -> Result<(), KeyError> {
        self.note("after", operation)
    }
}

#[tokio::test]
async fn the_gate_sees_every_operation_under_awss_name() {
    let gate = Arc::new(Recorder::default());
    let keys = LocalKeys::ephemeral().with_gate(gate.clone());
    let context = EncryptionContext::token("kid");
    let sealed = keys.encrypt(KeyName::Token, &context, b"x").await.unwrap();
    keys.decrypt(KeyName::Token, &context, &sealed).await.unwrap();
    keys.mac(KeyName::RecoveryCodeMac, b"x").await.unwrap();
    keys.data_key(KeyName::Keyring, &context).await.unwrap();
    keys.token_key_pair(KeyName::Token, &context).await.unwrap();
    // A call that is refused was a call too.
    keys.decrypt(KeyName::Keyring, &context, &sealed).await.unwrap_err();

    let expected: Vec<_> = [
        "Encrypt",
        "Decrypt",
        "GenerateMac",
        "GenerateDataKeyWithoutPlaintext",
        "GenerateDataKeyPairWithoutPlaintext",
        "Decrypt",
    ]
    .iter()
    .flat_map(|operation| [format!("before {operation}"), format!("after {operation}")])
    .collect();
    assert_eq!(*gate.seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn the_gate_fails_a_call_before_it_or_loses_its_answer() {
    for (fail, seen) in [("before", 1), ("after", 2)] {
        let gate = Arc::new(Recorder { fail: Some(fail), ..Recorder::default() });
        let keys = LocalKeys::ephemeral().with_gate(gate.clone());
        let failed = keys.mac(KeyName::RecoveryCodeMac, b"x").await;
        assert!(matches!(failed, Err(KeyError::Unavailable(_))));
        assert_eq!(gate.seen.lock().unwrap().len(), seen);
    }
}
