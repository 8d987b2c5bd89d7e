use aws_lc_rs::rand;
use secrecy::SecretString;
use zeroize::Zeroizing;

/// Crockford's base 32: no I, L, O, U.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const DECIMAL: &[u8; 10] = b"0123456789";

/// Where random values come from. Drawn in the shell, passed to the pure parts as values.
#[derive(Clone, Debug)]
pub struct Random(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    #[cfg(any(test, feature = "testing"))]
    Seeded(std::sync::Arc<seeded::Stream>),
}

impl Random {
    /// AWS-LC's generator, seeded by the operating system.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// The same values for the same seed: for tests alone.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(std::sync::Arc::new(seeded::Stream::new(seed))))
    }

    /// `N` random bytes.
    #[must_use]
    pub fn fill<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.write(&mut bytes);
        bytes
    }

    /// `length` decimal digits, each equally likely.
    #[must_use]
    pub fn digits(&self, length: usize) -> SecretString {
        self.text(length, DECIMAL)
    }

    /// `length` symbols of Crockford's base 32, upper case, each equally likely.
    #[must_use]
    pub fn crockford(&self, length: usize) -> SecretString {
        self.text(length, CROCKFORD)
    }

    fn text<const N: usize>(&self, length: usize, alphabet: &[u8; N]) -> SecretString {
        // Of 256 values only the whole multiples of the alphabet's length are taken: a remainder alone would favour its
        // first symbols.
        let fair = 256 - 256 % N;
        // Filled to exactly its capacity, so that no copy is left behind.
        let mut text = String::with_capacity(length);
        let mut pool = Zeroizing::new([0; 32]);
        while text.len() < length {
            self.write(&mut *pool);
            let symbols = pool
                .iter()
                .map(|byte| usize::from(*byte))
                .filter(|value| *value < fair)
                .filter_map(|value| alphabet.get(value % N))
                .map(|symbol| char::from(*symbol));
            text.extend(symbols.take(length - text.len()));
        }
        SecretString::from(text)
    }

    fn write(&self, bytes: &mut [u8]) {
        match &self.0 {
            Source::System => {
                // AWS-LC itself aborts when it cannot be seeded. Nothing that follows would be safe.
                if rand::fill(bytes).is_err() {
                    std::process::abort()
                }
            }
            #[cfg(any(test, feature = "testing"))]
            Source::Seeded(stream) => stream.write(bytes),
        }
    }
}

#[cfg(any(test, feature = "testing"))]
mod seeded {
    use std::sync::atomic::{AtomicU64, Ordering};

    use aws_lc_rs::digest;

    /// SHA-256 over the seed and a counter.
    #[derive(Debug)]
    pub(super) struct Stream {
        seed: u64,
        drawn: AtomicU64,
    }

    impl Stream {
        pub(super) fn new(seed: u64) -> Self {
            Self { seed, drawn: AtomicU64::new(0) }
        }

        pub(super) fn write(&self, bytes: &mut [u8]) {
            for chunk in bytes.chunks_mut(digest::SHA256_OUTPUT_LEN) {
                let mut input = [0; 16];
                let (seed, counter) = input.split_at_mut(8);
                seed.copy_from_slice(&self.seed.to_be_bytes());
                counter.copy_from_slice(&self.drawn.fetch_add(1, Ordering::Relaxed).to_be_bytes());
                let block = digest::digest(&digest::SHA256, &input);
                let (taken, _) = block.as_ref().split_at(chunk.len());
                chunk.copy_from_slice(taken);
            }
        }
    }
}

#[cfg(test)]
mod tests;
