use std::process::Stdio;

use jiff::Timestamp;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use url::Url;

/// An authenticator app. Its codes are made by `oathtool` of the OATH Toolkit, which shares nothing with the library under
/// test.
#[derive(Debug, Clone)]
pub struct App {
    /// In base 32.
    pub secret: String,
}

impl App {
    /// Reads the `otpauth` URI, as an app does that scans its QR code.
    pub fn scan(uri: &str) -> Self {
        let uri: Url = uri.parse().unwrap();
        assert_eq!((uri.scheme(), uri.host_str()), ("otpauth", Some("totp")), "{uri}");
        let parameter = |name: &str| {
            let mut found = uri.query_pairs().filter(|(given, _)| given == name);
            found.next().map(|(_, value)| value.into_owned())
        };
        // What an app takes where nothing is said (Key URI Format), and what `oathtool` is asked for.
        for (name, expected) in [("algorithm", "SHA1"), ("digits", "6"), ("period", "30")] {
            assert_eq!(parameter(name).unwrap_or(expected.to_owned()), expected, "{uri}");
        }
        Self { secret: parameter("secret").expect("a secret") }
    }

    /// What it shows at `at`.
    pub async fn code_at(&self, at: Timestamp) -> String {
        let mut oathtool = Command::new("oathtool")
            .args(["--totp", "--base32", "--now", &format!("@{}", at.as_second()), "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("oathtool: {error}; install it (Debian: oathtool)"));
        let mut input = oathtool.stdin.take().unwrap();
        input.write_all(format!("{}\n", self.secret).as_bytes()).await.unwrap();
        drop(input);
        let shown = oathtool.wait_with_output().await.unwrap();
        assert!(shown.status.success(), "oathtool: {}", shown.status);
        String::from_utf8(shown.stdout).unwrap().trim().to_owned()
    }
}
