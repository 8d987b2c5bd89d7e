//! How far a deployment's accounts are from the instant on which a set-up is required: counted, not named.

use jiff::Timestamp;

use crate::account::Account;

/// How many accounts stand where. Every account is counted once in each [`Part`], and those of the part
/// [`Part::SetUps`] once for each set-up that it has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Readiness {
    pub accounts: u64,
    pub ready: u64,
    pub only_set_up_missing: u64,
    pub only_code_missing: u64,
    pub both_missing: u64,
    pub passkey: u64,
    pub authenticator_and_phone: u64,
    pub password_and_phone: u64,
    pub no_set_up: u64,
    pub phone_missing: u64,
    pub code_downloaded: u64,
    pub code_not_downloaded: u64,
    pub code_never_issued: u64,
    /// Registrations that never gained a method, and are forgotten within a day. Not among the accounts.
    pub unfinished: u64,
}

/// What a measure is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What would become of each account if the instant were now.
    Day,
    /// Which set-ups the accounts have; several may be one account's.
    SetUps,
    /// Where the recovery code is.
    RecoveryCode,
}

impl Part {
    pub const ALL: [Self; 3] = [Self::Day, Self::SetUps, Self::RecoveryCode];

    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Day => "On the day",
            Self::SetUps => "Set-ups (an account may have several)",
            Self::RecoveryCode => "Recovery code",
        }
    }
}

/// One line of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    pub part: Part,
    /// For programs.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    pub accounts: u64,
}

impl Readiness {
    /// Counts an account as it is at `now`.
    pub fn count(&mut self, account: &Account, now: Timestamp) {
        if account.forget_at.is_some() {
            if account.exists_at(now) {
                add(&mut self.unfinished);
            }
            return;
        }
        add(&mut self.accounts);

        let methods = &account.methods;
        let set_ups = methods.set_ups();
        let held = account.holds_recovery_code();
        add(match (set_ups.any(), held) {
            (true, true) => &mut self.ready,
            (false, true) => &mut self.only_set_up_missing,
            (true, false) => &mut self.only_code_missing,
            (false, false) => &mut self.both_missing,
        });

        let counted = [
            (set_ups.passkey, &mut self.passkey),
            (set_ups.authenticator_and_phone, &mut self.authenticator_and_phone),
            (set_ups.password_and_phone, &mut self.password_and_phone),
            (!set_ups.any(), &mut self.no_set_up),
            (
                !set_ups.any() && (methods.password.is_some() || methods.authenticator.is_some()),
                &mut self.phone_missing,
            ),
        ];
        counted.into_iter().filter(|(counts, _)| *counts).for_each(|(_, sum)| add(sum));

        add(match &account.recovery_code {
            Some(_) if held => &mut self.code_downloaded,
            Some(_) => &mut self.code_not_downloaded,
            None => &mut self.code_never_issued,
        });
    }

    /// Every line of the report, part by part.
    #[must_use]
    pub fn measures(&self) -> Vec<Measure> {
        let measure = |part, name, title, accounts| Measure { part, name, title, accounts };
        vec![
            measure(Part::Day, "ready", "Signed in as before: a set-up, and the recovery code", self.ready),
            measure(Part::Day, "only_set_up_missing", "Held up: no set-up", self.only_set_up_missing),
            measure(
                Part::Day,
                "only_code_missing",
                "Held up: recovery code not downloaded",
                self.only_code_missing,
            ),
            measure(Part::Day, "both_missing", "Held up: neither of the two", self.both_missing),
            measure(Part::SetUps, "passkey", "Passkey", self.passkey),
            measure(
                Part::SetUps,
                "authenticator_and_phone",
                "Authenticator app and phone",
                self.authenticator_and_phone,
            ),
            measure(Part::SetUps, "password_and_phone", "Password and phone", self.password_and_phone),
            measure(Part::SetUps, "no_set_up", "None", self.no_set_up),
            measure(
                Part::SetUps,
                "phone_missing",
                "None, and a verified phone would complete one",
                self.phone_missing,
            ),
            measure(Part::RecoveryCode, "code_downloaded", "Downloaded", self.code_downloaded),
            measure(
                Part::RecoveryCode,
                "code_not_downloaded",
                "Issued, not downloaded",
                self.code_not_downloaded,
            ),
            measure(Part::RecoveryCode, "code_never_issued", "Never issued", self.code_never_issued),
        ]
    }
}

fn add(sum: &mut u64) {
    *sum = sum.saturating_add(1);
}

#[cfg(test)]
#[path = "readiness_tests.rs"]
mod tests;
