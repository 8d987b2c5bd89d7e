use password_sign_in::{Deps, handle};
use postern_aws::Function;
use postern_http::{Clock, Error, serve};
use postern_keys::Random;
use postern_passwords::{AT_ONCE, Hasher};
use postern_sign_ins::SignIns;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    let store = function.store()?;
    let (keyring, tokens) = (function.keyring()?, function.access_tokens()?);
    let now = Clock::system().now();
    tokio::join!(keyring.warm(now), tokens.signer.warm(now));
    let sign_ins = SignIns { store, policy: function.policy()?, tokens, random: Random::system() };
    let cost =
        function.settings.parsed("ARGON2ID", "a cost such as m=19456,t=2,p=1, at OWASP's floor or above")?;
    let deps = Deps { clock: Clock::system(), keyring, hasher: Hasher::new(cost, AT_ONCE), sign_ins };
    serve(function.frame()?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
