use password_set::{Deps, handle};
use postern_aws::Function;
use postern_http::{Clock, Error, serve};
use postern_keys::Random;
use postern_passwords::{AT_ONCE, Hasher};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    let store = function.store()?;
    let keyring = function.keyring()?;
    keyring.warm(Clock::system().now()).await;
    let cost =
        function.settings.parsed("ARGON2ID", "a cost such as m=19456,t=2,p=1, at OWASP's floor or above")?;
    let deps = Deps {
        clock: Clock::system(),
        store,
        keyring,
        hasher: Hasher::new(cost, AT_ONCE),
        policy: function.policy()?,
        random: Random::system(),
    };
    serve(function.frame()?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
