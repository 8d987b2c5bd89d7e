//! Notices to the owner: what happened, and what to do if it was somebody else.
//!
//! English, and Spanish where the account's language is. No secret, and nothing to click: a thief writes such messages, too.

use postern_domain::account::Account;
use postern_domain::activity::{Event, What};

use crate::{Language, Letter};

/// A notice, as it is written and as it is texted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    subject: &'static str,
    body: String,
    text: String,
}

impl Notice {
    /// The notice of an event, if its owner is told of such. `portal`: what people call it.
    #[must_use]
    pub fn of(event: &Event, account: &Account, portal: &str) -> Option<Self> {
        let language = Language::of(&account.locale);
        let [english, spanish] = words(event.what)?;
        let (subject, happened) = match language {
            Language::English => english,
            Language::Spanish => spanish,
        };
        let (username, at, place) = (account.username.as_str(), event.at, &event.place);
        let body = match language {
            Language::English => format!(
                "Hello {username},\n\n\
                 {happened} on {at:.0} (UTC), from the address {place}.\n\n\
                 If this was you, there is nothing to do.\n\n\
                 If this was not you: sign in to the portal, open \"Manage my ID\", remove what you do not know, end all \
                 other sessions, and issue a new recovery code. If you cannot sign in, use your recovery code.\n"
            ),
            Language::Spanish => format!(
                "Hola, {username}:\n\n\
                 {happened} el {at:.0} (UTC), desde la dirección {place}.\n\n\
                 Si fue usted, no hay nada que hacer.\n\n\
                 Si no fue usted: entre en el portal, abra \"Manage my ID\", quite lo que no conozca, cierre todas las demás \
                 sesiones y emita una clave de rescate nueva. Si no puede entrar, use su clave de rescate.\n"
            ),
        };
        // In the alphabet of GSM 03.38, which has no `á`, `í`, `ó` or `ú`, and in one message.
        let text = match language {
            Language::English => format!(
                "{portal}: {subject}. If this was not you, sign in and undo it, or use your recovery code."
            ),
            Language::Spanish => {
                format!(
                    "{portal}: {subject}. Si no fue usted, entre y quite el cambio, o use su clave de rescate."
                )
            }
        };
        Some(Self { subject, body, text })
    }

    /// As it goes to the account's address.
    #[must_use]
    pub fn letter(&self) -> Letter {
        Letter::new(self.subject, self.body.clone().into())
    }

    /// As it goes to a phone.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// What happened, in a few words and in a sentence's beginning; in English, and in Spanish.
#[expect(clippy::too_many_lines, reason = "an arm an event")]
fn words(what: What) -> Option<[(&'static str, &'static str); 2]> {
    let words = match what {
        What::PasskeyAdded => [
            ("A passkey was added", "A passkey was added to your account"),
            ("Hay una llave de acceso nueva", "Se añadió una llave de acceso a su cuenta"),
        ],
        What::PasskeyRenamed => [
            ("A passkey was renamed", "A passkey of your account was given another name"),
            (
                "Una llave de acceso tiene otro nombre",
                "Se dio otro nombre a una llave de acceso de su cuenta",
            ),
        ],
        What::PasskeyRemoved => [
            ("A passkey was removed", "A passkey was removed from your account"),
            ("Se ha quitado una llave de acceso", "Se quitó una llave de acceso de su cuenta"),
        ],
        What::PasskeyCounterRefused => [
            (
                "A passkey was refused",
                "A sign-in with one of your passkeys was refused, because the passkey may have been copied",
            ),
            (
                "Se ha rechazado una llave de acceso",
                "Se rechazó una entrada con una de sus llaves de acceso, porque puede haber una copia de ella",
            ),
        ],
        What::RecoveryCodeIssued => [
            (
                "A new recovery code",
                "A new recovery code was issued for your account, and the one before is void",
            ),
            (
                "Hay una clave de rescate nueva",
                "Se emitió una clave de rescate nueva para su cuenta, y la anterior ya no vale",
            ),
        ],
        What::RecoveryCodeDownloaded => [
            ("Your recovery code was shown", "The recovery code of your account was shown or downloaded"),
            (
                "Se ha mostrado su clave de rescate",
                "Se mostró o se descargó la clave de rescate de su cuenta",
            ),
        ],
        What::RecoveryCodeLocked => [
            ("Wrong recovery codes", "Your recovery code was not taken for a while, after five wrong ones"),
            (
                "Claves de rescate equivocadas",
                "Su clave de rescate no se aceptó por un rato, tras cinco equivocadas",
            ),
        ],
        What::RecoveryCodeDisabled => [
            (
                "Your recovery code was disabled",
                "The recovery code of your account was disabled after a hundred wrong ones, and has to be issued anew",
            ),
            (
                "Su clave de rescate ya no vale",
                "La clave de rescate de su cuenta dejó de valer tras cien equivocadas; hay que emitir otra",
            ),
        ],
        What::EmailCodeLocked => [
            (
                "Wrong codes by email",
                "Codes by email were not taken for your account for a while, after five wrong ones",
            ),
            (
                "Claves por correo equivocadas",
                "Las claves por correo no se aceptaron para su cuenta por un rato, tras cinco equivocadas",
            ),
        ],
        What::EmailCodeDisabled => [
            (
                "Codes by email were disabled",
                "Codes by email were disabled for your account after a hundred wrong ones",
            ),
            (
                "Las claves por correo ya no valen",
                "Las claves por correo dejaron de valer para su cuenta tras cien equivocadas",
            ),
        ],
        What::Recovered => [
            (
                "Your account was recovered",
                "Your account was recovered, and everybody who was signed in to it was signed out",
            ),
            (
                "Su cuenta se ha recuperado",
                "Se recuperó su cuenta, y se cerró la sesión de todos los que estaban en ella",
            ),
        ],
        What::PasswordSet => [
            ("A password was set", "A password was set for your account"),
            ("Hay una contraseña nueva", "Se puso una contraseña a su cuenta"),
        ],
        What::PasswordChanged => [
            ("Your password was changed", "The password of your account was changed"),
            ("Su contraseña ha cambiado", "Se cambió la contraseña de su cuenta"),
        ],
        What::PasswordLocked => [
            (
                "Wrong passwords",
                "Sign-ins to your account with a password were stopped for a while, after five wrong ones",
            ),
            (
                "Contraseñas equivocadas",
                "Las entradas a su cuenta con contraseña se pararon por un rato, tras cinco equivocadas",
            ),
        ],
        What::PasswordDisabled => [
            (
                "Your password was disabled",
                "The password of your account was disabled after a hundred wrong ones, and has to be set anew",
            ),
            (
                "Su contraseña ya no vale",
                "La contraseña de su cuenta dejó de valer tras cien equivocadas; hay que poner otra",
            ),
        ],
        What::PhoneAdded => [
            ("A phone was added", "A phone number was added to your account"),
            ("Hay un teléfono nuevo", "Se añadió un número de teléfono a su cuenta"),
        ],
        What::PhoneRemoved => [
            ("A phone was removed", "A phone number was removed from your account"),
            ("Se ha quitado un teléfono", "Se quitó un número de teléfono de su cuenta"),
        ],
        What::PhoneLocked => [
            (
                "Wrong codes",
                "Sign-ins to your account with a code by phone were stopped for a while, after five wrong ones",
            ),
            (
                "Claves equivocadas",
                "Las entradas a su cuenta con una clave por teléfono se pararon por un rato, tras cinco equivocadas",
            ),
        ],
        What::PhoneDisabled => [
            (
                "Codes by phone were disabled",
                "Codes by phone were disabled for your account after a hundred wrong ones; a phone has to be added anew",
            ),
            (
                "Las claves por teléfono ya no valen",
                "Las claves por teléfono dejaron de valer para su cuenta tras cien equivocadas; hay que volver a añadir un teléfono",
            ),
        ],
        What::AuthenticatorAdded => [
            ("An authenticator app was added", "An authenticator app was added to your account"),
            ("Hay una app autenticadora nueva", "Se añadió una app autenticadora a su cuenta"),
        ],
        What::AuthenticatorReplaced => [
            (
                "Your authenticator app was replaced",
                "Another authenticator app took the place of the one before in your account",
            ),
            (
                "Hay otra app autenticadora en su cuenta",
                "Otra app autenticadora ocupa el lugar de la anterior en su cuenta",
            ),
        ],
        What::AuthenticatorRemoved => [
            ("Your authenticator app was removed", "The authenticator app was removed from your account"),
            ("Se ha quitado su app autenticadora", "Se quitó de su cuenta la app autenticadora"),
        ],
        What::AuthenticatorLocked => [
            (
                "Wrong codes",
                "Sign-ins to your account with a code of the authenticator app were stopped for a while, after five wrong ones",
            ),
            (
                "Claves equivocadas",
                "Se pararon por un tiempo las entradas a su cuenta con claves de la app autenticadora, tras cinco equivocadas",
            ),
        ],
        What::AuthenticatorDisabled => [
            (
                "Your authenticator app was disabled",
                "The authenticator app was disabled for your account after a hundred wrong codes, and has to be set up anew",
            ),
            (
                "Su app autenticadora ya no vale",
                "La app autenticadora dejó de valer para su cuenta tras cien claves equivocadas; hay que volver a configurarla",
            ),
        ],
        What::AccountRegistered | What::SignedIn | What::SessionEnded => return None,
    };
    Some(words)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use postern_domain::account::Methods;
    use postern_domain::id::{AccountId, EventId};

    use super::*;
    use crate::wording::tests::septets;

    fn account(locale: &str) -> Account {
        Account {
            id: AccountId::from_bytes([2; 16]),
            username: "dr.rivera".parse().unwrap(),
            email: "rivera@clinic.example".parse().unwrap(),
            locale: locale.parse().unwrap(),
            created_at: Timestamp::UNIX_EPOCH,
            forget_at: None,
            generation: 0,
            revision: 0,
            methods: Methods::default(),
            recovery_code: None,
        }
    }

    fn notice(what: What, locale: &str, portal: &str) -> Option<Notice> {
        let event = Event {
            id: EventId::from_bytes([1; 16]),
            account: AccountId::from_bytes([2; 16]),
            at: "2026-03-07T06:00:00.5Z".parse().unwrap(),
            what,
            place: "192.0.2.7".to_owned(),
        };
        Notice::of(&event, &account(locale), portal)
    }

    #[test]
    fn a_notice_goes_out_for_exactly_what_is_told_and_says_what_to_do() {
        for (locale, not_you) in [("en-US", "f this was not you"), ("es-PR", "i no fue usted")] {
            for what in What::ALL {
                let notice = notice(what, locale, "Provider portal");
                assert_eq!(notice.is_some(), what.is_told(), "{what:?}");
                let Some(Notice { body, text, .. }) = notice else { continue };
                assert!(body.contains("192.0.2.7") && body.contains("2026-03-07T06:00:00Z"), "{body}");
                assert!(body.contains(not_you) && text.contains(not_you), "{body}\n{text}");
                assert!(!body.contains("http") && !text.contains("http"), "{body}\n{text}");
            }
        }
    }

    /// GSM 03.38 §6.1.2, with a name of 24 for the portal. No digit: nobody takes it for a code.
    #[test]
    fn a_text_is_one_message() {
        for locale in ["en-US", "es"] {
            for what in What::ALL {
                let Some(notice) = notice(what, locale, &"P".repeat(24)) else { continue };
                let text = notice.text();
                assert!(septets(text).is_some_and(|septets| septets <= 160), "{text}");
                assert!(!text.contains(|c: char| c.is_ascii_digit()), "{text}");
            }
        }
    }
}
