//! Notices to the owner: what happened, and what to do if it was somebody else.

use postern_domain::activity::{Event, What};

/// A notice. No secret, and nothing to click: a thief writes such mails, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub subject: &'static str,
    pub body: String,
}

impl Notice {
    /// The notice of an event, if its owner is told of such.
    #[must_use]
    pub fn of(event: &Event, username: &str) -> Option<Self> {
        let (subject, happened) = match event.what {
            What::PasskeyAdded => ("A passkey was added", "A passkey was added to your account"),
            What::PasskeyRenamed => {
                ("A passkey was renamed", "A passkey of your account was given another name")
            }
            What::PasskeyRemoved => ("A passkey was removed", "A passkey was removed from your account"),
            What::PasskeyCounterRefused => (
                "A passkey was refused",
                "A sign-in with one of your passkeys was refused, because the passkey may have been copied",
            ),
            What::RecoveryCodeIssued => (
                "A new recovery code",
                "A new recovery code was issued for your account, and the one before is void",
            ),
            What::RecoveryCodeDownloaded => {
                ("Your recovery code was shown", "The recovery code of your account was shown or downloaded")
            }
            What::RecoveryCodeLocked => (
                "Wrong recovery codes",
                "Your recovery code was not taken for a while, after five wrong ones",
            ),
            What::RecoveryCodeDisabled => (
                "Your recovery code was disabled",
                "The recovery code of your account was disabled after a hundred wrong ones, and has to be issued anew",
            ),
            What::EmailCodeLocked => (
                "Wrong codes",
                "Codes by email were not taken for your account for a while, after five wrong ones",
            ),
            What::EmailCodeDisabled => (
                "Codes by email were disabled",
                "Codes by email were disabled for your account after a hundred wrong ones",
            ),
            What::Recovered => (
                "Your account was recovered",
                "Your account was recovered, and everybody who was signed in to it was signed out",
            ),
            What::PasswordSet => ("A password was set", "A password was set for your account"),
            What::PasswordChanged => {
                ("Your password was changed", "The password of your account was changed")
            }
            What::PasswordLocked => (
                "Wrong passwords",
                "Sign-ins to your account with a password were stopped for a while, after five wrong ones",
            ),
            What::PasswordDisabled => (
                "Your password was disabled",
                "The password of your account was disabled after a hundred wrong ones, and has to be set anew",
            ),
            What::PhoneAdded => ("A phone was added", "A phone number was added to your account"),
            What::PhoneRemoved => ("A phone was removed", "A phone number was removed from your account"),
            What::PhoneLocked => (
                "Wrong codes",
                "Sign-ins to your account with a code by phone were stopped for a while, after five wrong ones",
            ),
            What::PhoneDisabled => (
                "Codes by phone were disabled",
                "Codes by phone were disabled for your account after a hundred wrong ones; a phone has to be added anew",
            ),
            What::AccountRegistered | What::SignedIn | What::SessionEnded => return None,
        };
        let body = format!(
            "Hello {username},\n\n\
             {happened} on {at:.0} (UTC), from the address {place}.\n\n\
             If this was you, there is nothing to do.\n\n\
             If this was not you: sign in to the portal, open \"Manage my ID\", remove what you do not know, end all \
             other sessions, and issue a new recovery code. If you cannot sign in, use your recovery code.\n",
            at = event.at,
            place = event.place,
        );
        Some(Self { subject, body })
    }
}

#[cfg(test)]
mod tests {
    use postern_domain::id::{AccountId, EventId};

    use super::*;

    const EVERY: [What; 22] = [
        What::AccountRegistered,
        What::SignedIn,
        What::PasskeyAdded,
        What::PasskeyRenamed,
        What::PasskeyRemoved,
        What::PasskeyCounterRefused,
        What::RecoveryCodeIssued,
        What::RecoveryCodeDownloaded,
        What::RecoveryCodeLocked,
        What::RecoveryCodeDisabled,
        What::EmailCodeLocked,
        What::EmailCodeDisabled,
        What::Recovered,
        What::SessionEnded,
        What::PasswordSet,
        What::PasswordChanged,
        What::PasswordLocked,
        What::PasswordDisabled,
        What::PhoneAdded,
        What::PhoneRemoved,
        What::PhoneLocked,
        What::PhoneDisabled,
    ];

    #[test]
    fn a_notice_goes_out_for_exactly_what_is_told_and_says_what_to_do() {
        for what in EVERY {
            let event = Event {
                id: EventId::from_bytes([1; 16]),
                account: AccountId::from_bytes([2; 16]),
                at: "2026-03-07T06:00:00.5Z".parse().unwrap(),
                what,
                place: "192.0.2.7".to_owned(),
            };
            let notice = Notice::of(&event, "dr.rivera");
            assert_eq!(notice.is_some(), what.is_told(), "{what:?}");
            if let Some(Notice { body, .. }) = notice {
                assert!(body.contains("192.0.2.7") && body.contains("2026-03-07T06:00:00Z"), "{body}");
                assert!(body.contains("If this was not you"), "{body}");
            }
        }
    }
}
