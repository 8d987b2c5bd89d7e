//! The metrics, declared.

use postern_domain::account;

/// Something that happened, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// A step of a sign-in, by what was proven or was to be.
    SignIns {
        method: Method,
        outcome: Outcome,
    },
    /// A wrong guess that locked, for the first time in a row or for longer; also of a name that nobody has.
    Locks {
        method: Method,
    },
    /// The wrong guess that disabled: a hundred in a row.
    Disablings {
        method: Method,
    },
    /// A text, a call or an email that was asked of AWS.
    Sends {
        channel: Channel,
        country: Country,
        outcome: Sent,
    },
    Recoveries {
        way: Way,
        outcome: Outcome,
    },
    /// An answer of the 400s. What failed on our side is among [`Metric::AwsErrors`].
    Refusals {
        code: &'static str,
    },
    /// A call that failed after the SDK's own retries.
    AwsErrors {
        service: Service,
        kind: Kind,
    },
    /// The first run of an instance.
    ColdStarts,
}

/// How a metric is named to `CloudWatch`. Each is a count, and is kept for each of the dimension sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    pub name: &'static str,
    pub dimensions: &'static [&'static [&'static str]],
}

/// `CloudWatch`'s unit of all of them.
pub const UNIT: &str = "Count";

const SIGN_INS: Declared = Declared { name: "SignIns", dimensions: &[&["Method", "Outcome"]] };
const LOCKS: Declared = Declared { name: "Locks", dimensions: &[&["Method"]] };
const DISABLINGS: Declared = Declared { name: "Disablings", dimensions: &[&["Method"]] };
const SENDS: Declared = Declared { name: "Sends", dimensions: &[&["Channel", "Country", "Outcome"], &[]] };
const RECOVERIES: Declared = Declared { name: "Recoveries", dimensions: &[&["Way", "Outcome"]] };
const REFUSALS: Declared = Declared { name: "Refusals", dimensions: &[&["Function", "Code"], &[]] };
const AWS_ERRORS: Declared = Declared { name: "AwsErrors", dimensions: &[&["Service", "Kind"]] };
const COLD_STARTS: Declared = Declared { name: "ColdStarts", dimensions: &[&["Function"]] };

/// All of them.
pub const DECLARED: &[Declared] =
    &[SIGN_INS, LOCKS, DISABLINGS, SENDS, RECOVERIES, REFUSALS, AWS_ERRORS, COLD_STARTS];

impl Metric {
    #[must_use]
    pub fn declared(&self) -> Declared {
        match self {
            Self::SignIns { .. } => SIGN_INS,
            Self::Locks { .. } => LOCKS,
            Self::Disablings { .. } => DISABLINGS,
            Self::Sends { .. } => SENDS,
            Self::Recoveries { .. } => RECOVERIES,
            Self::Refusals { .. } => REFUSALS,
            Self::AwsErrors { .. } => AWS_ERRORS,
            Self::ColdStarts => COLD_STARTS,
        }
    }

    /// The value of each of its dimensions, in a run of `function`.
    pub(crate) fn values<'a>(&'a self, function: &'a str) -> Vec<(&'static str, &'a str)> {
        match self {
            Self::SignIns { method, outcome } => {
                vec![("Method", method.as_str()), ("Outcome", outcome.as_str())]
            }
            Self::Locks { method } | Self::Disablings { method } => vec![("Method", method.as_str())],
            Self::Sends { channel, country, outcome } => vec![
                ("Channel", channel.as_str()),
                ("Country", country.as_str()),
                ("Outcome", outcome.as_str()),
            ],
            Self::Recoveries { way, outcome } => {
                vec![("Way", way.as_str()), ("Outcome", outcome.as_str())]
            }
            Self::Refusals { code } => vec![("Function", function), ("Code", code)],
            Self::AwsErrors { service, kind } => {
                vec![("Service", service.as_str()), ("Kind", kind.as_str())]
            }
            Self::ColdStarts => vec![("Function", function)],
        }
    }
}

/// A type whose values have names, and all of them.
macro_rules! named {
    ($(#[$of_type:meta])* $type:ident { $($(#[$of_value:meta])* $value:ident = $name:literal,)+ }) => {
        $(#[$of_type])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $type { $($(#[$of_value])* $value,)+ }

        impl $type {
            pub const ALL: &[Self] = &[$(Self::$value,)+];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $name,)+ }
            }
        }
    };
}

named! {
    /// What can be proven, guessed or lost.
    Method {
        Passkey = "passkey",
        Authenticator = "authenticator",
        Password = "password",
        Phone = "phone",
        RecoveryCode = "recovery_code",
        Email = "email",
    }
}

named! {
    /// What a proof came to. The contract's own words: the status of a result, or the code of a problem.
    Outcome {
        SignedIn = "signed_in",
        Next = "next",
        SetUpRequired = "set_up_required",
        Recovered = "recovered",
        WrongCredentials = "wrong_credentials",
        SignInExpired = "sign_in_expired",
        Locked = "locked",
        TooManyRequests = "too_many_requests",
        Retired = "email_recovery_retired",
        Unavailable = "unavailable",
    }
}

named! {
    Channel {
        Text = "text",
        Call = "call",
        Email = "email",
    }
}

named! {
    /// What became of a message, as far as AWS says at once.
    Sent {
        /// Taken. A call: by the topic that `voice-call` reads.
        Sent = "sent",
        /// There was nobody to send to; as much was asked of AWS.
        Nobody = "nobody",
        OptedOut = "opted_out",
        Failed = "failed",
    }
}

named! {
    /// How somebody gets back in.
    Way {
        Code = "code",
        Email = "email",
    }
}

named! {
    Service {
        DynamoDb = "dynamodb",
        Kms = "kms",
        Ses = "ses",
        SmsVoice = "sms-voice",
        Sns = "sns",
    }
}

named! {
    /// Why a call failed.
    Kind {
        Denied = "denied",
        Throttled = "throttled",
        Timeout = "timeout",
        Other = "other",
    }
}

impl Outcome {
    /// Of a problem's code; none of one that says nothing of the proof, as of a body that cannot be read.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        let refusals = [
            Self::WrongCredentials,
            Self::SignInExpired,
            Self::Locked,
            Self::TooManyRequests,
            Self::Retired,
            Self::Unavailable,
        ];
        refusals.into_iter().find(|outcome| outcome.as_str() == code)
    }
}

impl From<account::Channel> for Channel {
    fn from(channel: account::Channel) -> Self {
        match channel {
            account::Channel::Text => Self::Text,
            account::Channel::Call => Self::Call,
        }
    }
}

/// A country by ISO 3166-1, and nothing else: so many values there are, whatever stands in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Country([u8; 2]);

impl Country {
    /// Of what goes to no country, as an email, or to one that is not known. A code that ISO leaves to its users.
    pub const NONE: Self = Self(*b"ZZ");

    #[must_use]
    pub fn of(code: &str) -> Self {
        match code.as_bytes() {
            [first @ b'A'..=b'Z', second @ b'A'..=b'Z'] => Self([*first, *second]),
            _ => Self::NONE,
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("ZZ")
    }
}

#[cfg(test)]
#[path = "metric_tests.rs"]
mod tests;
